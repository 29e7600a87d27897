/* test_claude_program.c - a run as a bash command or as a cell: there and back byte for byte,
 * thousands of programs made at random; every single altered byte is seen; the real runner in a
 * real python. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/share.h"
#include "providers/sandboxes/claude_program.h"

#define MANY 10000 /* AIRLOCK_PROPERTY_RUNS says otherwise */

static struct sandbox_run plain(const char *code, size_t len)
{
    return (struct sandbox_run){ .run = 1,
                                 .language = "python",
                                 .interpreter = "python3",
                                 .code = code,
                                 .code_len = len,
                                 .cwd = "/workspace",
                                 .input = "",
                                 .check_code = "" };
}

/* ---- a generator of its own: the same programs each time */

static uint64_t seed;

static uint32_t roll(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static char *some_bytes(size_t max, bool with_nul, size_t *len)
{
    static const char *const odd[] = {
        "AIRLOCK\n", "\nAIRLOCK",     "'",     "\\",       "\"", "$(",   "`",
        "\r\n",      "<<'AIRLOCK'\n", "\x1b[", "\xff\xfe", "%s", "P = ", "AIRLOCK-RESULT {}"
    };
    char *p = xmalloc(max + 32);
    size_t n = 0, want = roll((uint32_t)max + 1);
    while (n < want) {
        if (roll(6) == 0) {
            const char *s = odd[roll(ARRAY_LEN(odd))];
            memcpy(p + n, s, strlen(s));
            n += strlen(s);
        } else {
            p[n++] = (char)(with_nul ? roll(256) : 1 + roll(255));
        }
    }
    *len = n;
    p[n] = '\0';
    return p;
}

struct random_run {
    struct sandbox_run rq;
    char *code, *input, *check, *argv[4], *names[2], *cwd;
    struct sandbox_file files[2];
};

static void make_run(struct random_run *r)
{
    static const char *const languages[][2] = { { "python", "python3" },
                                                { "bash", "bash" },
                                                { "javascript", "node" } };
    size_t n, which = roll(3);
    memset(r, 0, sizeof *r);
    r->rq = plain("", 0);
    r->rq.language = languages[which][0];
    r->rq.interpreter = languages[which][1];
    r->rq.code = r->code = some_bytes(roll(4) == 0 ? 4000 : 120, true, &r->rq.code_len);
    r->rq.input = r->input = some_bytes(40, true, &r->rq.input_len);
    r->rq.check_code = r->check = some_bytes(40, true, &r->rq.check_code_len);
    r->rq.argv_count = roll(4);
    for (size_t i = 0; i < r->rq.argv_count; i++)
        r->argv[i] = some_bytes(20, false, &n);
    r->rq.argv = (const char *const *)r->argv;
    r->rq.file_count = roll(3);
    for (size_t i = 0; i < r->rq.file_count; i++) {
        char *name = some_bytes(12, false, &n);
        for (char *c = name; *c != '\0'; c++)
            if (*c == '/' || *c == '.')
                *c = '_';
        r->names[i] = xasprintf("d/%s_", name);
        free(name);
        r->files[i] = (struct sandbox_file){ .name = r->names[i], .mode = roll(512) };
        r->files[i].ptr = some_bytes(60, true, &r->files[i].len);
    }
    r->rq.files = r->files;
}

static void free_run(struct random_run *r)
{
    free(r->code);
    free(r->input);
    free(r->check);
    for (size_t i = 0; i < r->rq.argv_count; i++)
        free(r->argv[i]);
    for (size_t i = 0; i < r->rq.file_count; i++) {
        free(r->names[i]);
        free(r->files[i].ptr);
    }
}

static void assert_bytes(const char *a, size_t an, const char *b, size_t bn)
{
    assert_int_equal(an, bn);
    assert_memory_equal(a, b, an);
}

static void assert_same(const struct sandbox_run *a, const struct sandbox_run *b)
{
    assert_string_equal(a->language, b->language);
    assert_string_equal(a->interpreter, b->interpreter);
    assert_string_equal(a->cwd, b->cwd);
    assert_bytes(a->code, a->code_len, b->code, b->code_len);
    assert_bytes(a->input, a->input_len, b->input, b->input_len);
    assert_bytes(a->check_code, a->check_code_len, b->check_code, b->check_code_len);
    assert_int_equal(a->argv_count, b->argv_count);
    for (size_t i = 0; i < a->argv_count; i++)
        assert_string_equal(a->argv[i], b->argv[i]);
    assert_int_equal(a->file_count, b->file_count);
    for (size_t i = 0; i < a->file_count; i++) {
        assert_string_equal(a->files[i].name, b->files[i].name);
        assert_int_equal(a->files[i].mode, b->files[i].mode);
        assert_bytes(a->files[i].ptr, a->files[i].len, b->files[i].ptr, b->files[i].len);
    }
}

enum carry { INLINE, RUNNER, BOTH, CELL, CARRIES };
#define RUNNER_PATH  "/mnt/session/uploads/airlock.py"
#define PAYLOAD_PATH "/mnt/session/uploads/run.json"

static void carry(const struct buf *payload, enum carry how, struct buf *command)
{
    buf_reset(command);
    if (how == CELL) {
        assert_int_equal(claude_cell_write(payload->ptr, payload->len, command), 0);
        return;
    }
    assert_int_equal(claude_command_write(payload->ptr, payload->len,
                                          how == INLINE ? NULL : RUNNER_PATH,
                                          how == BOTH ? PAYLOAD_PATH : NULL, command),
                     0);
}

static void there_and_back(const struct sandbox_run *rq, enum carry how, struct buf *payload,
                           struct buf *command)
{
    struct claude_terms terms;
    struct claude_command c;
    struct claude_decoded d;
    struct err e = ERR_INIT;
    claude_terms_init(&terms, 30);
    terms.form = how == CELL ? CLAUDE_CELL : CLAUDE_SHELL;
    if (how == CELL && roll(2) == 0)
        snprintf(terms.life, sizeof terms.life, "%s", terms.token);
    buf_reset(payload);
    assert_int_equal(claude_program_write(rq, &terms, payload, &e), 0);
    carry(payload, how, command);
    assert_null(memchr(command->ptr, '\0', command->len));
    assert_int_equal(claude_command_read(&c, command->ptr, command->len, &e), 0);
    if (how == BOTH)
        assert_null(c.payload);
    else
        assert_bytes(c.payload, c.payload_len, payload->ptr, payload->len);
    assert_int_equal(claude_program_read(&d, payload->ptr, payload->len, &e), 0);
    assert_same(&d.rq, rq);
    assert_int_equal(c.form, terms.form);
    assert_int_equal(d.terms.form, terms.form);
    assert_string_equal(d.terms.life, terms.life);
    assert_string_equal(d.terms.token, terms.token);
    assert_int_equal(d.terms.timeout_s, 30);
    claude_decoded_release(&d);
}

static void test_random_programs(void **state)
{
    const char *env = getenv("AIRLOCK_PROPERTY_RUNS");
    long many = env != NULL ? strtol(env, NULL, 10) : MANY;
    struct buf payload = BUF_INIT(1 << 20), command = BUF_INIT(1 << 20);
    (void)state;
    seed = 20261122;
    for (long i = 0; i < many; i++) {
        struct random_run r;
        make_run(&r);
        there_and_back(&r.rq, (enum carry)(i % CARRIES), &payload, &command);
        free_run(&r);
    }
    buf_release(&payload);
    buf_release(&command);
}

/* Whatever byte of a command is another one: it is not read, or carries what it says. */
static void test_altered_commands(void **state)
{
    struct sandbox_run rq = plain("print(6*7)\n", 11);
    struct buf payload = BUF_INIT(1 << 20), command = BUF_INIT(1 << 20);
    struct claude_terms terms;
    struct err e = ERR_INIT;
    (void)state;
    claude_terms_init(&terms, 30);
    for (enum carry how = INLINE; how < CARRIES; how++) {
        terms.form = how == CELL ? CLAUDE_CELL : CLAUDE_SHELL;
        buf_reset(&payload);
        assert_int_equal(claude_program_write(&rq, &terms, &payload, &e), 0);
        carry(&payload, how, &command);
        for (size_t i = 0; i < command.len; i++) {
            struct claude_command c;
            command.ptr[i] ^= 1;
            if (claude_command_read(&c, command.ptr, command.len, &e) == 0)
                assert_true(
                    (how != INLINE && how != CELL) ||
                    (command.ptr + i >= c.payload && command.ptr + i < c.payload + c.payload_len));
            command.ptr[i] ^= 1;
            assert_int_equal(claude_command_read(&c, command.ptr, i, &e), -1);
        }
    }
    buf_release(&payload);
    buf_release(&command);
}

static void test_what_is_refused(void **state)
{
    struct buf payload = BUF_INIT(64 << 20);
    struct claude_terms terms;
    struct err e = ERR_INIT;
    char *huge = xcalloc(1, CLAUDE_MOUNTED_MAX + 1);
    struct sandbox_file out = { .name = "../x", .ptr = huge };
    struct sandbox_run rq = plain(huge, CLAUDE_MOUNTED_MAX + 1);
    (void)state;
    claude_terms_init(&terms, 30);
    assert_int_equal(claude_program_write(&rq, &terms, &payload, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    rq = plain("", 0);
    rq.cwd = "/etc";
    assert_int_equal(claude_program_write(&rq, &terms, &payload, &e), -1);
    rq.cwd = "/workspace/../etc";
    assert_int_equal(claude_program_write(&rq, &terms, &payload, &e), -1);
    rq.cwd = "/workspace/sub";
    assert_int_equal(claude_program_write(&rq, &terms, &payload, &e), 0);
    rq.files = &out;
    rq.file_count = 1;
    assert_int_equal(claude_program_write(&rq, &terms, &payload, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    free(huge);
    buf_release(&payload);
}

/* ---- the runner itself, in python3 of this machine, on fixed harmless programs */

static int run_python(char *const words[], const char *input_path, struct buf *out)
{
    int p[2], status = -1;
    char room[4096];
    ssize_t n;
    assert_int_equal(pipe(p), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int in = open(input_path, O_RDONLY);
        if (in < 0 || dup2(in, 0) < 0 || dup2(p[1], 1) < 0)
            _exit(126);
        closefrom(3);
        execv("/usr/bin/python3", words);
        _exit(127);
    }
    close(p[1]);
    while ((n = read(p[0], room, sizeof room)) > 0)
        assert_int_equal(buf_add(out, room, (size_t)n), 0);
    close(p[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* With the workspace in a directory of the test's: the cwd of the payload can't be made there. */
static void execute(const struct sandbox_run *rq, struct claude_result *r)
{
    char dir[] = "/tmp/airlock-claude-XXXXXX";
    struct buf payload = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);
    struct claude_terms terms;
    struct err e = ERR_INIT;
    assert_non_null(mkdtemp(dir));
    claude_terms_init(&terms, 20);
    assert_int_equal(claude_program_write(rq, &terms, &payload, &e), 0);
    (void)buf_add(&text, claude_runner(CLAUDE_SHELL)->ptr, claude_runner(CLAUDE_SHELL)->len);
    /* the one difference: its root is ours */
    char *at = strstr(buf_str(&text), "root = '/workspace'");
    assert_non_null(at);
    char *runner = xasprintf("%s/r.py", dir), *input = xasprintf("%s/p.json", dir);
    FILE *f = fopen(runner, "w");
    assert_non_null(f);
    fprintf(f, "%.*sroot = '%s'%s", (int)(at - text.ptr), text.ptr, dir,
            at + strlen("root = '/workspace'"));
    fclose(f);
    f = fopen(input, "w");
    assert_non_null(f);
    fwrite(payload.ptr, 1, payload.len, f);
    fclose(f);
    char python[] = "python3";
    char *words[] = { python, runner, NULL };
    assert_int_equal(run_python(words, input, &out), 0);
    claude_result_init(r);
    if (claude_result_read(r, out.ptr, out.len, rq, terms.token, &e) < 0)
        fail_msg("%s\n%.2000s", e.msg, buf_str(&out));
    /* another run's token, other code: refused */
    struct claude_result no;
    struct sandbox_run other = *rq;
    claude_result_init(&no);
    assert_int_equal(claude_result_read(&no, out.ptr, out.len, rq, "0123", &e), -1);
    assert_int_equal(e.code, ERR_INTEGRITY);
    other.code = "other";
    other.code_len = 5;
    assert_int_equal(claude_result_read(&no, out.ptr, out.len, &other, terms.token, &e), -1);
    assert_int_equal(e.code, ERR_INTEGRITY);
    claude_result_release(&no);
    unlink(runner);
    unlink(input);
    rmdir(dir);
    free(runner);
    free(input);
    buf_release(&payload);
    buf_release(&out);
    buf_release(&text);
}

static const char *text_of(struct buf *b)
{
    return buf_str(b);
}

static struct sandbox_run short_run(const char *code)
{
    struct sandbox_run rq = plain(code, strlen(code));
    rq.cwd = "/workspace";
    return rq;
}

static void skip_without_python(void)
{
    if (access("/usr/bin/python3", X_OK) < 0)
        skip();
}

static void test_runner(void **state)
{
    struct claude_result r;
    const char *argv[] = { "prog", "a b" };
    (void)state;
    skip_without_python();
    struct sandbox_run rq = short_run("import sys\nprint(sys.argv, sys.stdin.read())\n"
                                      "print('e', file=sys.stderr)\n6*7");
    rq.argv = argv;
    rq.argv_count = 2;
    rq.input = "in";
    rq.input_len = 2;
    rq.check_code = "assert 1 == 2, 'no'";
    rq.check_code_len = strlen(rq.check_code);
    execute(&rq, &r);
    assert_int_equal(r.code, 0);
    assert_string_equal(text_of(&r.out), "['prog', 'a b'] in\n");
    assert_string_equal(text_of(&r.err), "e\n");
    assert_string_equal(text_of(&r.value), "42");
    assert_true(r.check_ran);
    assert_string_equal(text_of(&r.check_text), "AssertionError: no");
    claude_result_release(&r);
}

static void test_runner_ends(void **state)
{
    struct claude_result r;
    (void)state;
    skip_without_python();
    struct sandbox_run rq = short_run("1/0");
    execute(&rq, &r);
    assert_int_equal(r.code, 1);
    assert_string_equal(text_of(&r.error[0]), "ZeroDivisionError");
    assert_string_equal(text_of(&r.error[1]), "division by zero");
    assert_non_null(strstr(text_of(&r.error[2]), "File \"<code>\", line 1"));
    assert_null(strstr(text_of(&r.error[2]), "<string>"));
    claude_result_release(&r);
    rq = short_run("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E");
    execute(&rq, &r);
    assert_string_equal(text_of(&r.error[0]), "E"); /* an error whose text fails is one, too */
    claude_result_release(&r);
    rq = short_run("import sys; sys.exit(3)");
    execute(&rq, &r);
    assert_int_equal(r.code, 3);
    claude_result_release(&r);
    rq = short_run("kill -9 $$");
    rq.language = rq.interpreter = "bash";
    execute(&rq, &r);
    assert_int_equal(r.code, -9);
    claude_result_release(&r);
    rq = short_run("import sys; sys.stdout.write('x' * 100000)");
    execute(&rq, &r);
    assert_int_equal(r.out_bytes, 100000);
    assert_int_equal(r.out.len, CLAUDE_OUT_MAX);
    claude_result_release(&r);
}

/* ---- results that are not whole */

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define CELL_RESULT(vars)                                                                          \
    "AIRLOCK-RESULT {\"token\":\"t\",\"sha256\":\"" EMPTY                                          \
    "\",\"code\":0,\"us\":1,\"out\":\"\",\"out_bytes\":0,\"err\":\"\",\"err_bytes\":0,\"error\":[" \
    "],"                                                                                           \
    "\"value\":\"\",\"root\":\"\",\"exists\":[],\"files\":[],\"vars\":" vars "}"

/* Cut inside a character there: what is left of it is not told. */
static void test_variables(void **state)
{
    static const char text[] =
        CELL_RESULT("[[\"eA==\",\"aW50\",\"\",28,\"YeKC\",\"\",\"changed\"],"
                    "[\"eQ==\",\"\",\"\",-1,\"\",\"0123456789abcdef\",\"same\"]]");
    struct sandbox_run rq = plain("", 0);
    struct claude_result r;
    struct err e = ERR_INIT;
    (void)state;
    claude_result_init(&r);
    assert_int_equal(claude_result_read(&r, text, sizeof text - 1, &rq, "t", &e), 0);
    assert_int_equal(r.var_count, 2);
    assert_string_equal(r.var_text.ptr + r.vars[0].name_at, "x");
    assert_string_equal(r.var_text.ptr + r.vars[0].type_at, "int");
    assert_string_equal(r.var_text.ptr + r.vars[0].preview_at, "a");
    assert_int_equal(r.vars[0].change, CHANGE_CHANGED);
    assert_int_equal(r.vars[1].change, CHANGE_SAME);
    assert_int_equal(r.vars[1].bytes, -1);
    claude_result_release(&r);
}

static void test_the_line_before(void **state)
{
    static const char good[] = "noise\nAIRLOCK-BEGIN {\"token\":\"t\",\"sha256\":\"" EMPTY "\"}\n";
    struct sandbox_run rq = plain("", 0), other = plain("x", 1);
    (void)state;
    assert_true(claude_result_began(good, sizeof good - 1, &rq, "t"));
    assert_false(claude_result_began(good, sizeof good - 1, &rq, "u"));
    assert_false(claude_result_began(good, sizeof good - 1, &other, "t"));
    for (size_t n = 0; n + 2 < sizeof good - 1; n++)
        assert_false(claude_result_began(good, n, &rq, "t"));
}

static void test_bad_results(void **state)
{
    static const char *const bad[] = {
        "",
        "AIRLOCK-RESULT ",
        "AIRLOCK-RESULT {",
        "AIRLOCK-RESULT {\"token\":\"t\"}",
        "x AIRLOCK-RESULT {\"token\":\"t\",\"failed\":\"\"}",
        "AIRLOCK-RESULT {\"token\":\"t\",\"failed\":\"*\"}",
        "AIRLOCK-RESULT {\"token\":\"t\",\"failed\":\"\"} more",
        "AIRLOCK-RESULT {\"token\":\"t\",\"lost\":true}",
        "AIRLOCK-RESULT {\"token\":\"t\",\"lost\":true,\"sha256\":\"" EMPTY "0\"}",
        "AIRLOCK-BEGIN {\"token\":\"t\",\"sha256\":\"" EMPTY "\"}",
        CELL_RESULT("[[]]"),
        CELL_RESULT("[[\"eA==\",\"\",\"\",1,\"\",\"0123456789abcdef0\",\"new\"]]"),
        CELL_RESULT("[[\"*\",\"\",\"\",1,\"\",\"\",\"new\"]]"),
    };
    struct sandbox_run rq = plain("", 0);
    struct err e = ERR_INIT;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct claude_result r;
        claude_result_init(&r);
        assert_int_equal(claude_result_read(&r, bad[i], strlen(bad[i]), &rq, "t", &e), -1);
        claude_result_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_programs), cmocka_unit_test(test_altered_commands),
        cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_runner),
        cmocka_unit_test(test_runner_ends),     cmocka_unit_test(test_bad_results),
        cmocka_unit_test(test_variables),       cmocka_unit_test(test_the_line_before),
    };
    return cmocka_run_group_tests_name("claude program", tests, NULL, NULL);
}
