/* test_probe.c - what each answer of the inside is taken for, and that no answer, half of one, or
 * no sandbox at all is never a pass: files, network, processes. */
#include "probe_play.h"

static const char *const names[] = { "filesystem", "network", "process", "timeout",
                                     "state",      "limits",  "kill" };

/* ---- no evidence ---- */

static void test_no_sandbox_proves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        again();
        w.open_fails = true;
        probe(names[i], NULL);
        expect(PROBE_UNPROVED, "UNPROVED create a sandbox||no open today");
    }
    for (size_t i = 0; i + 1 < ARRAY_LEN(names); i++) { /* the last kills what is not up yet */
        again();
        w.born_dead = true;
        probe(names[i], NULL);
        expect(PROBE_UNPROVED, "UNPROVED create a sandbox||no image today");
    }
}

static void test_no_run_proves_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name, *row;
    } cases[] = {
        { "filesystem", "UNPROVED look for the canaries|no exec today|the run did not end" },
        { "network", "UNPROVED reach for the network|no exec today|the run did not end" },
        { "process", "UNPROVED show itself|no exec today|it did not begin" },
        { "timeout", "FAIL end a loop|no exec today|it went on after its time" },
        { "state", "UNPROVED set a variable|no exec today|the run did not end" },
        { "state", "UNPROVED the variable in another sandbox|no exec today|the run did not end" },
        { "limits", "UNPROVED disk|no exec today|the run did not end" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        again();
        w.exec_fails = true;
        probe(cases[i].name, NULL);
        expect(strcmp(cases[i].name, "timeout") == 0 ? PROBE_FAIL : PROBE_UNPROVED, cases[i].row);
    }
    again();
    w.no_python = true;
    probe("filesystem", NULL);
    expect(PROBE_UNPROVED, "look for the canaries|no python is offered|");
}

static void test_no_answer_proves_nothing(void **state)
{
    (void)state;
    static const struct answer answers[][2] = {
        { { "", "", END_EXIT, false, false, false, "ImportError" }, { .about = NULL } },
        { { "", "{\"rows\": [", END_OOM, true, false, false, NULL }, { .about = NULL } },
        { { "", "[1, 2] {\"rows\" 1}", END_EXIT, false, false, false, NULL }, { .about = NULL } },
        { { "", "words", END_EXIT, false, true, false, NULL }, { .about = NULL } },
    };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        for (size_t k = 0; k < 2; k++) {
            again();
            probe(names[k], answers[i]);
            expect(PROBE_UNPROVED, "the probe inside gave no answer");
            if (answers[i][0].error != NULL)
                expect(PROBE_UNPROVED, "|ImportError|");
        }
        again();
        probe("process", answers[i]);
        expect(PROBE_UNPROVED, "UNPROVED show itself|");
    }
}

/* ---- files ---- */

static char *canary(void)
{
    char *at = strstr(w.question, "/tmp/.airlock-canary-");
    assert_non_null(at);
    return xstrndup(at, strcspn(at, "\""));
}

static void change_canary(void)
{
    char *path = canary();
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs("x", f);
    fclose(f);
    free(path);
}

static void leave_file(void)
{
    char *path = xasprintf("/tmp/sbx-%s", w.nonce);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    free(path);
}

static char leaked[200];

static void read_canary(void)
{
    static struct answer a = { .about = "", .end = END_EXIT };
    char secret[100] = "", *path = canary();
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(secret, sizeof secret, f));
    fclose(f);
    free(path);
    secret[strcspn(secret, "\n")] = '\0';
    snprintf(leaked, sizeof leaked, "{\"rows\":[{\"what\":\"read it\",\"got\":\"%s\"}]}", secret);
    a.out = leaked;
    w.doing = &a;
}

static void test_files(void **state)
{
    (void)state;
    static const struct answer good[] = { { "",
                                            "{\"rows\":[{\"what\":\"read it\",\"got\":\"ENOENT\"},"
                                            "{\"what\":\"create in /tmp\",\"got\":\"EROFS\"}]}",
                                            END_EXIT, false, false, false, NULL },
                                          { .about = NULL } };
    static const struct answer opened[] = {
        { "", "{\"rows\":[{\"what\":\"write it\",\"got\":\"opened\"}]}", END_EXIT, false, false,
          false, NULL },
        { .about = NULL }
    };
    static const struct answer empty[] = { { "", "{}", END_EXIT, false, false, false, NULL },
                                           { .about = NULL } };
    probe("filesystem", good);
    expect(PROBE_PASS, "PASS create in /tmp|EROFS|not on the host");
    probe("filesystem", opened);
    expect(PROBE_FAIL, "FAIL write it|opened|");
    probe("filesystem", empty);
    expect(PROBE_UNPROVED, "nothing could be tried");
    w.inside = leave_file; /* whatever it says */
    probe("filesystem", good);
    expect(PROBE_FAIL, "FAIL create in /tmp|EROFS|the file is on the host");
    w.inside = change_canary;
    probe("filesystem", good);
    expect(PROBE_FAIL, "the canary was changed");
    w.inside = read_canary;
    probe("filesystem", good);
    expect(PROBE_FAIL, "FAIL read it|read the canary|its secret came out");
    w.inside = NULL;
    char *home = getenv("HOME") != NULL ? xstrdup(getenv("HOME")) : NULL;
    setenv("HOME", "relative", 1);
    probe("filesystem", good);
    expect(PROBE_PASS, "PASS read it|ENOENT|");
    unsetenv("HOME");
    probe("filesystem", good);
    expect(PROBE_PASS, "PASS read it|ENOENT|");
    if (home != NULL)
        setenv("HOME", home, 1);
    free(home);
}

/* ---- network and processes ---- */

static void test_network(void **state)
{
    (void)state;
    static const struct {
        const char *out, *network;
        unsigned caps;
        enum probe_outcome outcome;
        const char *row;
    } cases[] = {
        { "{\"rows\":[{\"what\":\"TCP 1\",\"got\":\"timed out\"}],\"namespace\":17}", NULL, 0,
          PROBE_PASS, "PASS network namespace|inode 17|inode " },
        { "{\"rows\":[{\"what\":\"TCP 1\",\"got\":\"connected\"}],\"namespace\":17}", NULL, 0,
          PROBE_FAIL, "FAIL TCP 1|connected|" },
        { "{\"rows\":[{\"what\":\"name x\",\"got\":\"resolved 1.2.3.4\"}],\"namespace\":17}", NULL,
          0, PROBE_FAIL, "FAIL name x|resolved 1.2.3.4|" },
        { "{\"rows\":[{\"what\":\"unix\",\"got\":\"sent\"}],\"namespace\":17}", NULL, 0, PROBE_FAIL,
          "FAIL unix|sent|" },
        { "{\"rows\":[{\"what\":\"UDP 1\",\"got\":\"sent\"}],\"namespace\":17}", NULL, 0,
          PROBE_PASS, "PASS UDP 1|sent|" },
        { "{\"rows\":[],\"namespace\":%n}", NULL, 0, PROBE_FAIL, "FAIL network namespace|" },
        { "{\"rows\":[]}", NULL, 0, PROBE_UNPROVED,
          "UNPROVED network namespace|inode 0|not known" },
        { "{\"rows\":[],\"namespace\":%n}", NULL, SANDBOX_IS_REMOTE, PROBE_PASS,
          "a machine elsewhere" },
        { "{\"rows\":[],\"namespace\":17}", "network=allow:example.org", 0, PROBE_PASS,
          "PASS network namespace" },
        { "{\"rows\":[],\"namespace\":17}", "network=allow:example.org", SANDBOX_IS_REMOTE,
          PROBE_UNPROVED, "the contract allows a network" },
        { "{\"rows\":[],\"namespace\":17}", "network=open", 0, PROBE_UNPROVED,
          "the contract allows a network" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        const struct answer answers[] = { { "", cases[i].out, END_EXIT, false, false, false, NULL },
                                          { .about = NULL } };
        again();
        w.ops.caps |= cases[i].caps;
        if (cases[i].network != NULL)
            assert_int_equal(contract_set(&w.contract, cases[i].network, &e), 0);
        probe("network", answers);
        expect(cases[i].outcome, cases[i].row);
    }
}

#define ELSEWHERE "\"boot_id\":\"00000000-0000-0000-0000-000000000000\""

static void test_processes(void **state)
{
    (void)state;
    static const struct {
        const char *out;
        enum probe_outcome outcome;
        const char *row;
    } cases[] = {
        { "{\"ready\": true,\"signal\":\"ESRCH\",\"sees\":\"\",\"kernel\":\"5.10\"," ELSEWHERE "}",
          PROBE_PASS, "PASS kernel|5.10|another one: no such process here" },
        { "{\"ready\": true,\"signal\":\"there\",\"sees\":\"\"," ELSEWHERE "}", PROBE_FAIL,
          "FAIL signal a process of the host|there|" },
        { "{\"ready\": true,\"signal\":\"ESRCH\",\"sees\":\"42\"," ELSEWHERE "}", PROBE_FAIL,
          "FAIL see this process|seen|" },
        { "{\"ready\": true,\"sees\":\"\"," ELSEWHERE "}", PROBE_UNPROVED,
          "UNPROVED signal a process of the host||not tried" },
        { "{\"ready\": true,\"signal\":\"ESRCH\"," ELSEWHERE "}", PROBE_UNPROVED,
          "UNPROVED see this process||not tried" },
        /* No such process here, and nothing says that the kernel is another one. */
        { "{\"ready\": true,\"signal\":\"ESRCH\",\"sees\":\"\",\"boot_id\":\"short\"}",
          PROBE_UNPROVED, "UNPROVED its process|short|0 such processes here" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct answer answers[] = { { "", cases[i].out, END_EXIT, false, false, false, NULL },
                                          { .about = NULL } };
        again();
        probe("process", answers);
        expect(cases[i].outcome, cases[i].row);
    }
}

/* ---- the list ---- */

static void test_the_list(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct probe_config cfg = { .loop = w.loop,
                                .sandbox = &w.ops,
                                .contract = &w.contract,
                                .only = "gravity",
                                .report = on_report };
    assert_int_equal(probe_run(&cfg, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_string_equal(e.msg, "no probe 'gravity'");
    for (size_t i = 0; i < PROBE_COUNT; i++) {
        assert_string_equal(probe_name(i), names[i]);
        assert_true(strlen(probe_question(names[i])) > 10);
    }
    assert_null(probe_name(PROBE_COUNT));
    assert_string_equal(probe_question("gravity"), "");
    w.open_fails = true;
    cfg.only = NULL; /* all of them */
    assert_int_equal(probe_run(&cfg, &e), 0);
    assert_int_equal(w.reports, PROBE_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_no_sandbox_proves_nothing),
        CASE(test_no_run_proves_nothing),
        CASE(test_no_answer_proves_nothing),
        CASE(test_files),
        CASE(test_network),
        CASE(test_processes),
        CASE(test_the_list),
    };
    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
