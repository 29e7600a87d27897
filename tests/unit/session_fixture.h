/* session_fixture.h - a private directory and events for the tests of sessions/. */
#ifndef AIRLOCK_TESTS_SESSION_FIXTURE_H
#define AIRLOCK_TESTS_SESSION_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "sessions/store.h"

#define UNUSED __attribute__((unused))
#define ID     "01jd0000000000000000000000"

struct fixture {
    char *dir;  /* 0700, removed at the end */
    char *path; /* dir/ID.db */
};

static struct fixture fx;

UNUSED static void empty_dir(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        char *path = xasprintf("%s/%s", dir, de->d_name);
        if (unlink(path) < 0) {
            empty_dir(path);
            rmdir(path);
        }
        free(path);
    }
    if (d != NULL)
        closedir(d);
}

UNUSED static int fixture_setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    fx.dir = xasprintf("%s/airlock-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(fx.dir) == NULL)
        return -1;
    fx.path = xasprintf("%s/" ID ".db", fx.dir);
    return 0;
}

/* For tests that write so much that a real disk would only slow them down. */
UNUSED static int fixture_setup_in_memory(void **state)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    return fixture_setup(state);
}

UNUSED static int fixture_teardown(void **state)
{
    (void)state;
    empty_dir(fx.dir);
    int rc = rmdir(fx.dir);
    free(fx.dir);
    free(fx.path);
    return rc;
}

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, e.msg);                                                      \
    } while (0)
#define assert_err(call, want)                                                                     \
    do {                                                                                           \
        assert_int_equal((call), -1);                                                              \
        if (e.code != (want))                                                                      \
            fail_msg("%s: %s instead of %s: %s", #call, err_code_name(e.code),                     \
                     err_code_name(want), e.msg);                                                  \
    } while (0)

/* This error, with these words in it. */
UNUSED static void says(const struct err *e, enum err_code code, const char *words)
{
    if (e->code != code || strstr(e->msg, words) == NULL)
        fail_msg("%s: \"%s\" instead of %s: \"%s\"", err_code_name(e->code), e->msg,
                 err_code_name(code), words);
}

UNUSED static struct store *fixture_create(void)
{
    struct err e = ERR_INIT;
    struct store *s;
    assert_ok(store_create(&s, fx.dir, ID, &e));
    return s;
}

UNUSED static struct store *fixture_open(bool writing)
{
    struct err e = ERR_INIT;
    struct store *s;
    assert_ok(writing ? store_open(&s, fx.path, &e) : store_open_read(&s, fx.path, &e));
    return s;
}

/* Append JSON text as an event. */
UNUSED static int append_json(struct store *s, enum event_type type, uint32_t run, const char *json,
                              struct err *e)
{
    struct event ev = { .type = type, .run = run, .json = json, .json_len = strlen(json) };
    return store_append(s, &ev, e);
}

UNUSED static int append_output(struct store *s, uint32_t run, unsigned stream, const char *p,
                                size_t len, struct err *e)
{
    struct event ev = { .type = EVENT_RUN_OUTPUT,
                        .run = run,
                        .stream = stream,
                        .offset = STORE_OFFSET_NEXT,
                        .bytes = p,
                        .len = len };
    return store_append(s, &ev, e);
}

/* The same with five bytes beside it. */
UNUSED static int append_artifact(struct store *s, const char *json, const char *name, size_t len,
                                  struct err *e)
{
    struct event ev = { .type = EVENT_RUN_RESULT, .run = 1, .json = json };
    ev.json_len = strlen(json);
    return store_append_artifact(s, &ev, "x/y", name, "bytes", len, e);
}

UNUSED static int append_checkpoint(struct store *s, const char *json, const char *ref,
                                    const char *bytes, size_t len, struct err *e)
{
    struct event ev = { .type = EVENT_CHECKPOINT_MADE, .run = 1, .json = json };
    ev.json_len = strlen(json);
    return store_append_checkpoint(s, &ev, "saved", ref, bytes, len, NULL, e);
}

#define TASK_JSON "{\"text\":\"count the words\",\"author\":\"person\"}"
#define NOTE_JSON "{\"text\":\"a note\",\"author\":\"person\"}"
#define CREATED_JSON                                                                               \
    "{\"planner\":\"human\",\"model\":\"\",\"sandbox\":\"local\",\"contract\":{},"                 \
    "\"contract_digest\":\"00\",\"version\":\"0.1.0\"}"

#endif
