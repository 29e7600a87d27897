/* test_birth.c - what a new sandbox is taken for when it says this or that, or nothing: one attempt
 * that succeeds is a FAIL, missing evidence is never a PASS. The inside is played by the test. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "base/buf.h"
#include "tool/birth.h"
#include "tool/contract.h"
#include "tool/probe_int.h"

#define LINES_MAX 64

struct line {
    char what[64], said[300];
};

static struct {
    struct loop *loop;
    struct contract contract;
    struct sandbox_ops ops;
    struct sandbox s;
    struct birth *b;
    char dir[64], nonce[PROBE_NONCE], canary[128], asked_dirs[300];
    int tcp, udp;
    char *code;         /* of the newest request */
    unsigned requests;  /* so many were made */
    unsigned refuse_at; /* this one is refused; 0 none */
    struct line lines[LINES_MAX];
    size_t count;
    bool done;
    enum probe_outcome lights[LIGHT_COUNT];
    struct buf rows; /* "light outcome what|inside|host", a line each */
} w;

/* ---- the sandbox ---- */

static int take_request(struct sandbox *s, const struct sandbox_run *rq, struct err *e)
{
    (void)s;
    if (++w.requests == w.refuse_at)
        return err_set(e, ERR_NET, "no exec today");
    assert_int_equal(rq->run, SANDBOX_PROBE_RUN);
    free(w.code);
    w.code = xmemdup(rq->code, rq->code_len);
    return 0;
}

static const char *name_python(const struct contract *c, const char *language)
{
    (void)language;
    return c->python;
}

static const char *no_python(const struct contract *c, const char *language)
{
    (void)c;
    (void)language;
    return NULL;
}

static void on_done(void *arg, const struct probe_report reports[LIGHT_COUNT])
{
    (void)arg;
    assert_false(w.done);
    w.done = true;
    for (int i = 0; i < LIGHT_COUNT; i++) {
        w.lights[i] = reports[i].outcome;
        assert_true(reports[i].row_count > 0); /* no light without a reason */
        for (size_t k = 0; k < reports[i].row_count; k++)
            (void)buf_addf(&w.rows, "%s %s %s|%s|%s\n", reports[i].name,
                           probe_outcome_name(reports[i].rows[k].outcome), reports[i].rows[k].what,
                           reports[i].rows[k].inside, reports[i].rows[k].host);
    }
}

/* ---- what the inside says ---- */

static void say(const char *what, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(const char *what, const char *fmt, ...)
{
    struct line *l = NULL;
    for (size_t i = 0; i < w.count && l == NULL; i++)
        l = strcmp(w.lines[i].what, what) == 0 ? &w.lines[i] : NULL;
    l = l != NULL ? l : &w.lines[w.count++];
    va_list ap;
    va_start(ap, fmt);
    snprintf(l->what, sizeof l->what, "%s", what);
    vsnprintf(l->said, sizeof l->said, fmt, ap);
    va_end(ap);
}

static void forget(const char *what)
{
    for (size_t i = 0; i < w.count; i++) {
        if (strcmp(w.lines[i].what, what) == 0)
            w.lines[i--] = w.lines[--w.count];
    }
}

/* The words of the question, which stand in the code as a literal. */
static void read_question(void)
{
    char *p = strstr(w.code, ", {'asked': \"");
    assert_non_null(p);
    p = xstrdup(p + strlen(", {'asked': \""));
    char *field[8], *at = p;
    for (size_t i = 0; i < ARRAY_LEN(field); i++) {
        field[i] = at;
        char *end = strstr(at, i + 1 < ARRAY_LEN(field) ? "\\n" : "\"");
        assert_non_null(end);
        *end = '\0';
        at = end + 2;
    }
    snprintf(w.nonce, sizeof w.nonce, "%s", field[0]);
    snprintf(w.canary, sizeof w.canary, "%s", field[1]);
    w.tcp = (int)strtol(field[3], NULL, 10);
    w.udp = (int)strtol(field[4], NULL, 10);
    snprintf(w.asked_dirs, sizeof w.asked_dirs, "%s", field[7]);
    free(p);
}

/* A sandbox with walls answers like this. */
static void say_all_is_well(void)
{
    static const char *const refused[] = { "canary",      "canary by root", "canary by link",
                                           "create in /", "create in /usr", "create in /etc" };
    static const char *const nowhere[] = { "listener", "datagram", "abstract", "metadata",
                                           "nowhere",  "world",    "names" };
    char beside[100];
    w.count = 0;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        say(refused[i], "%s", "ENOENT");
    snprintf(beside, sizeof beside, "create in %s", w.dir);
    say(beside, "ENOENT");
    say("CapEff", "0000000000000000");
    say("NoNewPrivs", "1");
    say("Seccomp", "2");
    say("namespace pid", "4026539999");
    say("namespace mnt", "4026539998");
    say("namespace user", "4026539997");
    say("namespace net", "4026539996");
    say("boot", "ENOENT");
    say("kernel", "6.1");
    say("uid", "1000");
    say("signal", "ESRCH");
    for (size_t i = 0; i < ARRAY_LEN(nowhere); i++)
        say(nowhere[i], "ENETUNREACH");
    say("end", "%s", w.nonce);
    say("workspace", "0");
}

static void tell_out(enum sandbox_stream stream, const char *p, size_t len)
{
    struct sandbox_event ev = {
        .kind = SANDBOX_OUTPUT, .run = SANDBOX_PROBE_RUN, .stream = stream, .ptr = p, .len = len
    };
    assert_true(birth_take(w.b, &ev));
}

static void tell_end(enum run_end end, const char *error)
{
    struct sandbox_finished f = sandbox_finished_bare(end, "");
    f.error_name = error;
    struct sandbox_event ev = { .kind = SANDBOX_FINISHED,
                                .run = SANDBOX_PROBE_RUN,
                                .finished = &f };
    assert_true(birth_take(w.b, &ev));
}

static void answer(void)
{
    for (size_t i = 0; i < w.count; i++) {
        char text[400];
        int n = snprintf(text, sizeof text, "%s\t%s\n", w.lines[i].what, w.lines[i].said);
        tell_out(STREAM_STDERR, "no evidence\n", 12);
        tell_out(STREAM_STDOUT, text, (size_t)n);
    }
    tell_end(END_EXIT, "");
}

static void answer_kept(const char *value)
{
    tell_out(STREAM_STDOUT, value, strlen(value));
    tell_end(END_EXIT, "");
}

/* ---- life ---- */

static int setup(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    memset(&w, 0, sizeof w);
    buf_init(&w.rows, 64 << 10);
    contract_init(&w.contract);
    w.ops = (struct sandbox_ops){ .name = "played",
                                  .caps = SANDBOX_IS_STATEFUL,
                                  .interpreter = name_python,
                                  .exec = take_request };
    w.s = (struct sandbox){ &w.ops };
    snprintf(w.dir, sizeof w.dir, "/tmp/airlock-birth-XXXXXX");
    return mkdtemp(w.dir) != NULL ? loop_new(&w.loop, &e) : -1;
}

static size_t files_in_dir(void)
{
    size_t n = 0;
    DIR *dir = opendir(w.dir);
    for (struct dirent *f; dir != NULL && (f = readdir(dir)) != NULL;)
        n += f->d_name[0] != '.';
    closedir(dir);
    return n;
}

static int teardown(void **state)
{
    (void)state;
    birth_free(w.b);
    int left = (int)files_in_dir();
    rmdir(w.dir);
    free(w.code);
    buf_release(&w.rows);
    contract_release(&w.contract);
    loop_free(w.loop);
    return left; /* the canary is away */
}

static void begin_in(const char *private_dir, const char *timeout_proved)
{
    struct err e = ERR_INIT;
    const struct birth_config cfg = { .loop = w.loop,
                                      .contract = &w.contract,
                                      .private_dir = private_dir,
                                      .timeout_proved = timeout_proved,
                                      .done = on_done };
    if (birth_begin(&w.b, &w.s, &cfg, &e) < 0)
        fail_msg("%s", e.msg);
    read_question();
    say_all_is_well();
}

static void begin(void)
{
    begin_in(w.dir, NULL);
}

static void again(void)
{
    assert_int_equal(teardown(NULL), 0);
    assert_int_equal(setup(NULL), 0);
}

static void expect_lights(const char *want)
{
    static const char signs[] = { [PROBE_PASS] = '+', [PROBE_UNPROVED] = '?', [PROBE_FAIL] = '-' };
    char got[LIGHT_COUNT + 1] = "";
    assert_true(w.done);
    for (int i = 0; i < LIGHT_COUNT; i++)
        got[i] = signs[w.lights[i]];
    if (strcmp(got, want) != 0)
        fail_msg("%s, not %s\n%s", got, want, buf_str(&w.rows));
}

static void expect_row(const char *row)
{
    if (strstr(buf_str(&w.rows), row) == NULL)
        fail_msg("no row %s\n%s", row, buf_str(&w.rows));
}

/* ---- walls that hold ---- */

static void test_a_good_sandbox(void **state)
{
    (void)state;
    begin_in(w.dir, "killed after 2 s by the doctor");
    assert_int_equal(files_in_dir(), 1);
    assert_true(strncmp(w.canary, w.dir, strlen(w.dir)) == 0);
    answer();
    assert_false(w.done);
    assert_int_equal(w.requests, 2);
    answer_kept(w.nonce);
    expect_lights("+++++");
    expect_row("timeout PASS code that does not end||killed after 2 s by the doctor");
    assert_int_equal(files_in_dir(), 0);
    answer_kept("late"); /* it was dealt with: nobody is told again */
}

/* ---- each answer, wrong or missing ---- */

static void test_each_answer_counts(void **state)
{
    (void)state;
    static const struct {
        const char *what, *said; /* NULL: the inside says nothing of it */
        const char *lights, *row;
    } cases[] = {
        { "canary", "read: something else", "?++?+", "filesystem UNPROVED read a file of this" },
        { "canary", NULL, "?++?+", "filesystem UNPROVED read a file of this user||not tried" },
        { "canary by root", NULL, "?++?+", "filesystem UNPROVED read it by /proc/1/root||not" },
        { "canary by link", NULL, "?++?+", "filesystem UNPROVED read it by a link||not tried" },
        { "create in /", NULL, "?++?+", "filesystem UNPROVED create in /||not tried" },
        { "create in /etc", "created", "+++?+", "PASS create in /etc|created|not on this host" },
        { "listener", "connected", "+-+?+", "network FAIL TCP to this host|connected|" },
        { "abstract", "connected", "+-+?+", "network FAIL abstract socket|connected|" },
        { "names", "answered", "+-+?+", "network FAIL name server 8.8.8.8|answered|" },
        { "names", "empty answer", "+++?+", "network PASS name server 8.8.8.8|empty answer|" },
        { "world", NULL, "+?+?+", "network UNPROVED TCP 1.1.1.1 port 443||not tried" },
        { "CapEff", "00000000a80425fb", "++-?+", "process FAIL capabilities|00000000a80425fb|" },
        { "CapEff", "", "++-?+", "process FAIL capabilities" },
        { "CapEff", NULL, "++??+", "process UNPROVED capabilities||not tried" },
        { "NoNewPrivs", "0", "++-?+", "process FAIL no new privileges|0|" },
        { "Seccomp", "0", "++-?+", "process FAIL system call filter|0|" },
        { "Seccomp", NULL, "++??+", "process UNPROVED system call filter||not tried" },
        { "namespace pid", "ours", "++-?+", "process FAIL pid namespace" },
        { "namespace pid", NULL, "++??+", "process UNPROVED pid namespace" },
        { "namespace mnt", "0", "++-?+", "process FAIL mnt namespace|0|" },
        { "namespace net", "EPERM", "++-?+", "process FAIL net namespace|EPERM|" },
        { "signal", "there", "++-?+", "process FAIL signal this process|there|" },
        { "uid", NULL, "++??+", "process UNPROVED user" },
        { "boot", "read: 00000000-0000-0000-0000-000000000000", "+++?+",
          "process PASS kernel|6.1|another one than this host's" },
        { "boot", "read: short", "+++?+", "process PASS pid namespace" },
        { "workspace", "3", "+++?-", "state FAIL what was there before|3|files in /workspace" },
        { "workspace", NULL, "+++??", "state UNPROVED what was there before||not tried" },
        { "end", NULL, "????+", "did not come to its end" },
        { "end", "another word", "????+", "did not come to its end" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            again();
        begin();
        if (cases[i].said == NULL)
            forget(cases[i].what);
        else if (strcmp(cases[i].said, "ours") == 0) {
            struct stat st;
            assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
            say(cases[i].what, "%llu", (unsigned long long)st.st_ino);
        } else {
            say(cases[i].what, "%s", cases[i].said);
        }
        answer();
        answer_kept(w.nonce);
        expect_lights(cases[i].lights);
        expect_row(cases[i].row);
    }
}

/* A user of this host's own is none of the sandbox's, unless a namespace lies between. */
static void test_who_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *uid; /* NULL: that of this process */
        bool apart;
        const char *row;
    } cases[] = {
        { "0", true, "process PASS user|0|a user namespace apart" },
        { "0", false, "process FAIL user|0|this host's users" },
        { NULL, false, "process FAIL user|" },
        { "54321", false, "process PASS user|54321|this host's users" },
        { "EPERM", false, "process FAIL user|EPERM|this host's users" },
        { "", false, "process FAIL user||this host's users" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            again();
        begin();
        if (cases[i].uid != NULL)
            say("uid", "%s", cases[i].uid);
        else
            say("uid", "%u", (unsigned)getuid());
        if (!cases[i].apart) {
            struct stat st;
            assert_int_equal(stat("/proc/self/ns/user", &st), 0);
            say("namespace user", "%llu", (unsigned long long)st.st_ino);
        }
        answer();
        answer_kept(w.nonce);
        expect_row(cases[i].row);
    }
}

/* ---- what the host finds itself ---- */

static void test_the_canary_came_out(void **state)
{
    (void)state;
    char secret[64] = "";
    begin();
    FILE *f = fopen(w.canary, "r");
    assert_non_null(f);
    assert_non_null(fgets(secret, sizeof secret, f));
    fclose(f);
    say("canary by link", "read: %s", secret);
    answer();
    answer_kept(w.nonce);
    expect_lights("-++?+");
    expect_row("filesystem FAIL read it by a link|read the canary|its secret came out");
    assert_null(strstr(buf_str(&w.rows), secret)); /* not into the record */
}

static void test_a_file_on_this_host(void **state)
{
    (void)state;
    char path[160];
    begin();
    assert_non_null(strstr(w.asked_dirs, w.dir));
    snprintf(path, sizeof path, "%s/sbx-%s", w.dir, w.nonce);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    answer(); /* whatever the inside says */
    assert_int_equal(access(path, F_OK), -1);
    answer_kept(w.nonce);
    expect_lights("-++?+");
    expect_row("|ENOENT|the file is on this host");
}

static int socket_to(int type, int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Who comes with our word is from inside; a mere connection may be anybody who tries ports. */
static void test_who_knocked(void **state)
{
    (void)state;
    static const struct {
        int type;
        bool word, admits;
        const char *network;
    } cases[] = {
        { SOCK_STREAM, false, false, "?" },
        { SOCK_STREAM, false, true, "-" },
        { SOCK_DGRAM, true, false, "-" },
        { SOCK_DGRAM, false, false, "+" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            again();
        begin();
        int fd = socket_to(cases[i].type, cases[i].type == SOCK_STREAM ? w.tcp : w.udp);
        const char *words = cases[i].word ? w.nonce : "another word....";
        if (cases[i].type == SOCK_DGRAM)
            assert_int_equal(send(fd, words, strlen(words), 0), strlen(words));
        if (cases[i].admits)
            say("listener", "connected");
        answer();
        close(fd);
        answer_kept(w.nonce);
        char want[8];
        snprintf(want, sizeof want, "+%s+?+", cases[i].network);
        expect_lights(want);
    }
}

/* ---- what can't be tried is not proved ---- */

static void test_nothing_planted_nothing_proved(void **state)
{
    (void)state;
    static const char *const dirs[] = { NULL, "relative", "/tmp/with\nnewline", "/proc/nowhere" };
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        if (i > 0)
            again();
        w.ops.caps |= SANDBOX_IS_REMOTE;
        begin_in(dirs[i], NULL);
        assert_string_equal(w.canary, "");
        answer();
        answer_kept(w.nonce);
        expect_row("filesystem UNPROVED filesystem||nothing could be tried");
        assert_int_equal(w.lights[LIGHT_FILES], PROBE_UNPROVED);
    }
}

/* A machine elsewhere: this host's namespaces and files say nothing about it. */
static void test_elsewhere(void **state)
{
    (void)state;
    char ours[64];
    static const struct {
        const char *boot; /* NULL: this host's */
        const char *listener, *lights;
    } cases[] = {
        { "read: 00000000-0000-0000-0000-000000000000", "ECONNREFUSED", "+++?+" },
        { "read: 00000000-0000-0000-0000-000000000000", "connected", "+?+?+" },
        { "EPERM", "ECONNREFUSED", "++??+" },
        { NULL, "ECONNREFUSED", "++??+" },
    };
    probe_boot_id(ours, sizeof ours);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            again();
        w.ops.caps |= SANDBOX_IS_REMOTE;
        begin();
        assert_string_equal(w.asked_dirs, "");
        if (cases[i].boot != NULL)
            say("boot", "%s", cases[i].boot);
        else
            say("boot", "read: %s", ours);
        say("listener", "%s", cases[i].listener);
        answer();
        answer_kept(w.nonce);
        expect_lights(cases[i].lights);
    }
}

static void test_an_open_network_is_no_proof(void **state)
{
    (void)state;
    static const struct {
        const char *network;
        bool remote;
        char light;
    } cases[] = { { "network=open", false, '?' },
                  { "network=allow:example.org", false, '+' }, /* by a proxy outside */
                  { "network=allow:example.org", true, '?' } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        if (i > 0)
            again();
        assert_int_equal(contract_set(&w.contract, cases[i].network, &e), 0);
        w.ops.caps |= cases[i].remote ? SANDBOX_IS_REMOTE : 0;
        begin();
        answer();
        answer_kept(w.nonce);
        assert_int_equal(w.lights[LIGHT_NETWORK],
                         cases[i].light == '+' ? PROBE_PASS : PROBE_UNPROVED);
    }
}

/* ---- what it keeps ---- */

static void test_what_it_keeps(void **state)
{
    (void)state;
    static const struct {
        unsigned caps;
        bool once;
        unsigned refuse_at;
        const char *kept; /* NULL: the second run fails */
        const char *lights, *row;
    } cases[] = {
        { SANDBOX_IS_STATEFUL, false, 0, "gone", "+++?-", "a value in the next request|not there" },
        { SANDBOX_IS_STATEFUL, false, 0, NULL, "+++??", "UNPROVED a value in the next request" },
        { SANDBOX_IS_STATEFUL, true, 0, NULL, "+++??", "each run has a sandbox of its own" },
        { 0, false, 0, NULL, "+++??", "each run has a sandbox of its own" },
        { SANDBOX_IS_STATEFUL | SANDBOX_IS_REMOTE, false, 2, NULL, "++???",
          "state UNPROVED state||nothing could be tried" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            again();
        w.ops.caps = cases[i].caps;
        w.contract.lifecycle = cases[i].once ? LIFECYCLE_RUN : LIFECYCLE_SESSION;
        w.refuse_at = cases[i].refuse_at;
        begin();
        answer();
        if (!w.done && cases[i].kept != NULL)
            answer_kept(cases[i].kept);
        else if (!w.done)
            tell_end(END_OOM, "");
        expect_lights(cases[i].lights);
        expect_row(cases[i].row);
    }
}

/* The first request does not end well: nothing is proved by what it said before. */
static void test_a_probe_that_dies(void **state)
{
    (void)state;
    static const struct {
        enum run_end end;
        const char *error;
    } cases[] = { { END_TIMEOUT, "" }, { END_EXIT, "SyntaxError" }, { END_LOST, "" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            again();
        begin();
        tell_end(cases[i].end, cases[i].error);
        expect_lights("?????");
        expect_row(run_end_name(cases[i].end));
        assert_int_equal(w.requests, 1);
    }
}

/* ---- the request itself ---- */

static void test_only_the_probe_is_sent(void **state)
{
    (void)state;
    static const char *const argv[] = { "x" };
    struct sandbox_file file = { .name = (char *)(uintptr_t) "f" };
    struct err e = ERR_INIT;
    begin();
    struct sandbox_run rq = { .run = SANDBOX_PROBE_RUN,
                              .code = w.code,
                              .code_len = strlen(w.code) };
    assert_int_equal(birth_check_body(w.b, &rq, &e), 0);
    struct sandbox_run wrong[] = { rq, rq, rq, rq, rq, rq };
    char *other = xstrdup(w.code);
    other[strlen(other) / 2] ^= 1;
    wrong[0].code_len--;
    wrong[1].code = other;
    wrong[2].argv = argv, wrong[2].argv_count = 1;
    wrong[3].input = "x", wrong[3].input_len = 1;
    wrong[4].files = &file, wrong[4].file_count = 1;
    wrong[5].check_code = "x", wrong[5].check_code_len = 1;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        err_clear(&e);
        assert_int_equal(birth_check_body(w.b, &wrong[i], &e), -1);
        assert_int_equal(e.code, ERR_INTEGRITY);
    }
    free(other);
    assert_int_equal(birth_check_body(NULL, &rq, &e), -1);
    /* Of other runs it takes nothing; without a birth it swallows what is left of one. */
    struct sandbox_event ev = { .kind = SANDBOX_OUTPUT, .run = 1, .ptr = "", .len = 0 };
    assert_false(birth_take(w.b, &ev));
    ev.run = SANDBOX_PROBE_RUN;
    assert_true(birth_take(NULL, &ev));
    ev.kind = SANDBOX_READY;
    assert_false(birth_take(w.b, &ev));
}

static void test_it_can_not_be_asked(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    const struct birth_config cfg = {
        .loop = w.loop, .contract = &w.contract, .private_dir = w.dir, .done = on_done
    };
    w.refuse_at = 1;
    assert_int_equal(birth_begin(&w.b, &w.s, &cfg, &e), -1);
    assert_string_equal(e.msg, "no exec today");
    assert_null(w.b);
    w.ops.interpreter = no_python;
    assert_int_equal(birth_begin(&w.b, &w.s, &cfg, &e), -1);
    assert_string_equal(e.msg, "no python is offered");
    assert_int_equal(files_in_dir(), 0);
    assert_false(w.done);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_good_sandbox),
        CASE(test_each_answer_counts),
        CASE(test_who_it_is),
        CASE(test_the_canary_came_out),
        CASE(test_a_file_on_this_host),
        CASE(test_who_knocked),
        CASE(test_nothing_planted_nothing_proved),
        CASE(test_elsewhere),
        CASE(test_an_open_network_is_no_proof),
        CASE(test_what_it_keeps),
        CASE(test_a_probe_that_dies),
        CASE(test_only_the_probe_is_sent),
        CASE(test_it_can_not_be_asked),
    };
    return cmocka_run_group_tests_name("birth", tests, NULL, NULL);
}
