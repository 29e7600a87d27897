/* test_hostile.c - runs the payloads of tests/hostile (see the README there) in real local
 * sandboxes, each between two inventories of the host. HOSTILE=full: all of them; else those marked
 * `quick`. */
#include "contract/hostile_host.h"

#define PAYLOADS_MAX 400
#define GETS_MAX     8
#define WORD_MAX     64

struct payload {
    char name[WORD_MAX], language[16], ends[160];
    char gets[GETS_MAX][WORD_MAX], allowed[WORD_MAX];
    size_t get_count;
    bool quick, check, ours; /* ours: it is our own process that has to stand it */
    struct contract c;
    struct buf code;
};

static struct payload payloads[PAYLOADS_MAX];
static size_t payload_count;
static struct buf prelude = BUF_INIT(1u << 20);
static struct host host;
static char payload_dir[4096];

/* ---- reading them ---- */

static bool takes_number(const char *word, const char *key, int64_t *out)
{
    size_t n = strlen(key);
    if (strncmp(word, key, n) != 0 || word[n] != '=')
        return false;
    *out = strtoll(word + n + 1, NULL, 10);
    return true;
}

static void read_word(struct payload *p, const char *word)
{
    if (strcmp(word, "quick") == 0)
        p->quick = true;
    else if (strcmp(word, "check") == 0)
        p->check = true;
    else if (strncmp(word, "end=", 4) == 0)
        snprintf(p->ends, sizeof p->ends, ",%s,", word + 4);
    else if (strncmp(word, "get=", 4) == 0 && p->get_count < GETS_MAX)
        snprintf(p->gets[p->get_count++], WORD_MAX, "%s", word + 4);
    else if (strncmp(word, "allow=", 6) == 0) {
        snprintf(p->allowed, sizeof p->allowed, "%s", word + 6);
        p->c.network = NETWORK_ALLOW;
        p->c.hosts[0] = p->allowed;
        p->c.host_count = 1;
    } else if (!takes_number(word, "memory", &p->c.memory_mib) &&
               !takes_number(word, "disk", &p->c.disk_mib) &&
               !takes_number(word, "pids", &p->c.pids) &&
               !takes_number(word, "timeout", &p->c.timeout_s) &&
               !takes_number(word, "output", &p->c.output_mib)) {
        fprintf(stderr, "%s: what is \"%s\"?\n", p->name, word);
        exit(1);
    }
}

static struct payload *begin_payload(char *line)
{
    struct payload *p = &payloads[payload_count++];
    char *save = NULL, *word = strtok_r(line + 3, " ", &save);
    if (payload_count == PAYLOADS_MAX || word == NULL)
        exit(1);
    snprintf(p->name, sizeof p->name, "%s", word);
    word = strtok_r(NULL, " ", &save);
    snprintf(p->language, sizeof p->language, "%s", word != NULL ? word : "");
    snprintf(p->ends, sizeof p->ends, ",exit,");
    buf_init(&p->code, 1u << 16);
    p->c = box_contract();
    while ((word = strtok_r(NULL, " ", &save)) != NULL)
        read_word(p, word);
    return p;
}

/* What the kernel and the guest, which is never sanitised, have to hold needs no second time. */
#ifdef __SANITIZE_ADDRESS__
#define ONLY_OURS true
#else
#define ONLY_OURS false
#endif

static bool is_ours(const char *path)
{
    return strstr(path, "channel.") != NULL || strstr(path, "traps.") != NULL ||
           strstr(path, "terminal.") != NULL || strstr(path, "proxy.") != NULL;
}

static void read_payloads(const char *path)
{
    struct buf text = BUF_INIT(1u << 20);
    struct err e = ERR_INIT;
    struct payload *p = NULL;
    if (path_read_file(path, &text, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        exit(1);
    }
    for (char *at = text.ptr, *end; at < text.ptr + text.len; at = end + 1) {
        end = memchr(at, '\n', (size_t)(text.ptr + text.len - at));
        if (end == NULL)
            break;
        *end = '\0';
        if (strncmp(at, "===", 3) == 0)
            (p = begin_payload(at))->ours = is_ours(path);
        else if (p != NULL)
            (void)buf_addf(&p->code, "%s\n", at);
    }
    buf_release(&text);
}

static int is_payload_file(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');
    return dot != NULL && strcmp(dot, ".payloads") == 0;
}

static void read_all(void)
{
    struct dirent **list;
    char path[4400];
    int n = scandir(payload_dir, &list, is_payload_file, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", payload_dir, list[i]->d_name);
        read_payloads(path);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    snprintf(path, sizeof path, "%s/prelude.py", payload_dir);
    if (path_read_file(path, &prelude, NULL) < 0 || payload_count == 0) {
        fprintf(stderr, "%s: no payloads here\n", payload_dir);
        exit(1);
    }
}

/* ---- running one ---- */

static char *fill_in(const char *code)
{
    struct buf out = BUF_INIT(1u << 18);
    char tcp[8], udp[8], pid[16];
    snprintf(tcp, sizeof tcp, "%d", host.tcp_port);
    snprintf(udp, sizeof udp, "%d", host.udp_port);
    snprintf(pid, sizeof pid, "%ld", (long)host.victim);
    const char *const words[][2] = { { "@DIR@", host.dir }, { "@TCP@", tcp },
                                     { "@UDP@", udp },      { "@ABSTRACT@", host.nonce },
                                     { "@PID@", pid },      { "@NONCE@", host.nonce } };
    while (*code != '\0') {
        size_t hit = 0;
        for (size_t i = 0; i < ARRAY_LEN(words) && hit == 0; i++) {
            if (strncmp(code, words[i][0], strlen(words[i][0])) != 0)
                continue;
            hit = strlen(words[i][0]);
            (void)buf_add_str(&out, words[i][1]);
        }
        if (hit == 0)
            (void)buf_add_char(&out, *code);
        code += hit != 0 ? hit : 1;
    }
    return buf_detach(&out);
}

static void run_prelude(struct box *b, const struct payload *p)
{
    if (strcmp(p->language, "python") != 0)
        return;
    char *code = fill_in(buf_str(&prelude));
    box_run(b, code);
    assert_exit(b, 0);
    free(code);
}

/* Output may hold anything, NUL too. */
static const char *find(const struct buf *bytes, const char *word)
{
    return bytes->len > 0 ? memmem(bytes->ptr, bytes->len, word, strlen(word)) : NULL;
}

static bool has_secret(const struct buf *bytes)
{
    return find(bytes, host.secret) != NULL;
}

static void judge_output(const struct payload *p, struct box *b)
{
    char ends[32];
    snprintf(ends, sizeof ends, ",%s,", run_end_name(b->f.end));
    if (strstr(p->ends, ends) == NULL)
        fail_msg("it ended as %s (%s), not as one of %s; stderr: %.600s\nstdout: %.300s", ends,
                 b->message, p->ends, buf_str(&b->err), buf_str(&b->out));
    const char *escaped = find(&b->out, "ESCAPED");
    if (escaped != NULL)
        fail_msg("%.300s", escaped);
    if (find(&b->out, "held") == NULL)
        fail_msg("it tried nothing: %.300s\nstderr: %.600s", buf_str(&b->out), buf_str(&b->err));
    if (strstr(buf_str(&b->err), "Traceback") != NULL && b->f.end == END_EXIT && b->f.code != 0)
        fail_msg("the payload itself is wrong: %.600s", buf_str(&b->err));
    assert_false(has_secret(&b->out) || has_secret(&b->err) || has_secret(&b->background));
    assert_false(p->check && b->f.check_ran && b->f.check_ok);
}

static void fetch(const struct payload *p, struct box *b)
{
    for (size_t i = 0; i < p->get_count && b->closed == 0; i++) {
        struct err e = ERR_INIT;
        int before = b->file_done;
        if (box_call(b, box_world.ops->get(b->s, p->gets[i], 1u << 20, &e)) < 0)
            continue;
        while (b->file_done == before && b->closed == 0)
            assert_int_equal(loop_turn(box_world.loop, 200, &e), 0);
        assert_false(has_secret(&b->file));
    }
}

static void run_payload(void **state)
{
    const struct payload *p = *state;
    BOX_NEEDS_LOCAL();
    if (box_world.ops->interpreter(&p->c, p->language) == NULL)
        skip();
    struct buf before = BUF_INIT(8u << 20), after = BUF_INIT(8u << 20);
    host_open(&host);
    host_inventory(&host, &before);
    struct box *b = box_open(&p->c);
    run_prelude(b, p);
    char *code = fill_in(buf_str((struct buf *)(uintptr_t)&p->code));
    struct sandbox_run rq = box_request(b, p->language, code);
    int runs = b->finished;
    rq.check_code = p->check ? "assert flag" : "";
    rq.check_code_len = strlen(rq.check_code);
    box_exec(b, &rq);
    judge_output(p, b);
    fetch(p, b);
    if (b->closed == 0) {
        box_kill(b, END_KILLED);
        box_wait(b, closed, 1);
    }
    assert_true(b->confirmed);
    assert_int_equal(b->finished, runs + 1);
    assert_false(has_secret(&b->out) || has_secret(&b->background));
    box_free(b);
    host_inventory(&host, &after);
    const char *visitor = host_visitor(&host);
    if (visitor != NULL)
        fail_msg("somebody came to the host's %s", visitor);
    host_compare(&before, &after);
    host_close(&host);
    buf_release(&before);
    buf_release(&after);
    free(code);
}

/* Whatever happened: the next case finds nothing of this one. */
static int sweep(void **state)
{
    int rc = box_sweep(state);
    if (host.victim > 0)
        host_close(&host);
    memset(&host, 0, sizeof host);
    return rc;
}

/* What is left for the full length is no skipped test here. */
static bool is_wanted(const struct payload *p)
{
    const char *only = getenv("HOSTILE_ONLY"), *full = getenv("HOSTILE");
    if (only != NULL && strstr(p->name, only) == NULL)
        return false;
    return (full != NULL && strcmp(full, "full") == 0) || (p->quick && (!ONLY_OURS || p->ours));
}

static int run_suite(const char *name)
{
    static struct CMUnitTest tests[PAYLOADS_MAX];
    size_t n = 0;
    if ((box_world.ops->caps & SANDBOX_IS_REMOTE) != 0)
        return 0;
    for (size_t i = 0; i < payload_count; i++)
        if (is_wanted(&payloads[i]))
            tests[n++] =
                (struct CMUnitTest){ payloads[i].name, run_payload, NULL, sweep, &payloads[i] };
    return _cmocka_run_group_tests(name, tests, n, box_group_setup, box_group_teardown);
}

int main(void)
{
    char here[4000];
    const char *dir = getenv("HOSTILE_DIR");
    if (getcwd(here, sizeof here) == NULL)
        return 1;
    snprintf(payload_dir, sizeof payload_dir, "%s%s", dir != NULL ? dir : here,
             dir != NULL ? "" : "/tests/hostile");
    read_all();
    int rc = box_main(run_suite);
    for (size_t i = 0; i < payload_count; i++)
        buf_release(&payloads[i].code);
    buf_release(&prelude);
    return rc;
}
