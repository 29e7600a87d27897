/* test_store_crash.c - processes: killed in the middle of commits, reading while another writes,
 * and racing for the same session; and a disk that is really full. */
#include "session_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "sessions/sidecar.h"
#include "sessions/trash.h"

/* ---- killed at any moment ---- */

static char chunk[20000];
static size_t chunk_len;

/* Append for ever; tell every seq that is on disk. */
static void write_and_tell(int fd)
{
    struct err e = ERR_INIT;
    struct store *s;
    uint64_t told = 0;
    if (access(fx.path, F_OK) == 0 ? store_open(&s, fx.path, &e) : store_create(&s, fx.dir, ID, &e))
        _exit(1);
    told = store_durable_seq(s);
    for (int i = 0;; i++) {
        int rc;
        if (i % 13 == 5)
            rc = append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e);
        else if (i % 3 == 0)
            rc = append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e);
        else
            rc = append_output(s, 1, 1, chunk, chunk_len - (size_t)(i % 77), &e);
        if (rc < 0)
            _exit(2);
        if (store_durable_seq(s) != told) {
            told = store_durable_seq(s);
            if (write(fd, &told, sizeof told) != sizeof told)
                _exit(3);
        }
    }
}

static uint64_t kill_after(unsigned acks, long ns)
{
    int fds[2], status;
    uint64_t told = 0, seq;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        write_and_tell(fds[1]);
    }
    close(fds[1]);
    while (acks-- > 0 && read(fds[0], &seq, sizeof seq) == sizeof seq)
        told = seq;
    nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL); /* anywhere in what comes next */
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(fds[0], &seq, sizeof seq) == sizeof seq)
        told = seq;
    close(fds[0]);
    return told;
}

static void test_kill(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    uint64_t events = 0;
    memset(chunk, 'x', sizeof chunk);
    chunk_len = sizeof chunk;
    for (unsigned round = 0; round < 40; round++) {
        uint64_t told = kill_after(1 + round % 5, (long)(round * 7919 % 97) * 20000);
        struct store *s = fixture_open(false); /* a reader comes first and recovers */
        assert_false(store_is_live(s));
        assert_true(store_last_seq(s) >= told);
        assert_true(store_last_seq(s) > events);
        assert_ok(store_verify(s, &rep, &e));
        if (rep.result != VERIFY_WHOLE)
            fail_msg("round %u: event %" PRIu64 ": %s", round, rep.first_bad, rep.reason);
        events = rep.events;
        store_close(s);
    }
    struct store *s = fixture_open(true);
    assert_int_equal(store_last_seq(s), events);
    store_close(s);
}

/* ---- one writes, another reads ---- */

struct watcher {
    uint64_t last;
};

static int watch(void *arg, const struct event *ev)
{
    struct watcher *w = arg;
    if (ev->seq != w->last + 1)
        return 1;
    w->last = ev->seq;
    return 0;
}

static void test_read_while_writing(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    int fds[2], status;
    uint64_t seq, before = 0;
    memset(chunk, 'x', sizeof chunk);
    chunk_len = 1500;
    assert_int_equal(pipe(fds), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0); /* the writer stays this little ahead */
    pid_t pid = fork();
    if (pid == 0)
        write_and_tell(fds[1]);
    close(fds[1]);
    assert_int_equal(read(fds[0], &seq, sizeof seq), sizeof seq);
    for (int round = 0; round < 60; round++) {
        /* take what it has told, so that it does not wait for us */
        assert_int_equal(read(fds[0], &seq, sizeof seq), sizeof seq);
        struct store *s = fixture_open(false);
        struct watcher w = { 0 };
        assert_true(store_is_live(s));
        assert_ok(store_each(s, 0, 0, watch, &w, &e));
        if (w.last < seq || w.last < before)
            fail_msg("told %" PRIu64 ", seen %" PRIu64, seq, w.last);
        before = w.last;
        if (round % 10 == 0) {
            assert_ok(store_verify(s, &rep, &e));
            if (rep.result != VERIFY_WHOLE)
                fail_msg("%s", rep.reason);
        }
        store_close(s);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    close(fds[0]);
}

/* ---- many want to write ---- */

/* Opens, appends, closes; a second holder at the same time would break the chain. Exit 0: got it at
 * least once and was only ever refused as busy. */
static void contend(void)
{
    struct err e = ERR_INIT;
    struct store *s;
    int got = 0;
    for (int i = 0; i < 400 && got < 5; i++) {
        if (store_open(&s, fx.path, &e) < 0) {
            if (e.code != ERR_BUSY)
                _exit(2);
            continue;
        }
        got++;
        for (int k = 0; k < 3; k++) {
            if (append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e) < 0)
                _exit(3);
        }
        store_close(s);
    }
    _exit(got == 5 ? 0 : 4);
}

static void test_writers_take_turns(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    pid_t pids[4];
    store_close(fixture_create());
    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            contend();
    }
    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        int status;
        waitpid(pids[i], &status, 0);
        if (status != 0)
            fail_msg("writer %zu: status %x", i, status);
    }
    struct store *s = fixture_open(false);
    assert_int_equal(store_last_seq(s), 4 * 5 * 3);
    assert_ok(store_verify(s, &rep, &e));
    assert_int_equal(rep.result, VERIFY_WHOLE);
    store_close(s);
}

/* ---- a full disk ---- */

#define STOPPED_JSON                                                                               \
    "{\"code\":\"io\",\"message\":\"stopped: disk full\",\"hint\":\"free some space\"}"

/* In a child, which may be in a world of its own. 0, or the line that went wrong. */
#define EXPECT(cond)                                                                               \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #cond, e.msg);                  \
            return __LINE__ % 200 + 1;                                                             \
        }                                                                                          \
    } while (0)

static int fill_up(struct store *s, bool disk_full, uint64_t *acked)
{
    struct err e = ERR_INIT, why = ERR_INIT;
    int rc = 0;
    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; i < 5000 && rc == 0; i++) {
        *acked = store_durable_seq(s);
        rc = i % 20 == 3 ? append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e)
                         : append_output(s, 1, 1, chunk, sizeof chunk, &e);
    }
    EXPECT(rc == -1);
    EXPECT(e.code == ERR_IO);
    EXPECT(store_failed(s, &why) && why.code == ERR_IO);
    EXPECT(!disk_full || why.sys == ENOSPC); /* SQLite forgets the errno of others */
    EXPECT(strstr(why.msg, "can't be written any more") != NULL);
    EXPECT(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e) == -1);
    EXPECT(store_last_seq(s) >= *acked);
    struct watcher w = { 0 };
    EXPECT(store_each(s, 0, 0, watch, &w, &e) == 0); /* it can still be looked at */
    EXPECT(w.last == store_last_seq(s));
    return 0;
}

static int check_end(uint64_t acked, enum event_type last)
{
    struct err e = ERR_INIT;
    struct verify_report rep;
    struct store *s;
    struct watcher w;
    EXPECT(store_open_read(&s, fx.path, &e) == 0);
    EXPECT(store_last_seq(s) >= acked);
    EXPECT(store_verify(s, &rep, &e) == 0);
    EXPECT(rep.result == VERIFY_WHOLE);
    w.last = store_last_seq(s) - 1;
    EXPECT(store_each_of(s, UINT64_C(1) << last, store_last_seq(s), 0, watch, &w, &e) == 0);
    EXPECT(last == EVENT_UNKNOWN || w.last == store_last_seq(s));
    store_close(s);
    return 0;
}

static int live_on_full_disk(void)
{
    struct err e = ERR_INIT;
    struct store *s, *t;
    uint64_t acked = 0;
    struct event ev = { .type = EVENT_ERROR,
                        .json = STOPPED_JSON,
                        .json_len = strlen(STOPPED_JSON) };
    EXPECT(store_create(&s, fx.dir, ID, &e) == 0);
    int rc = fill_up(s, true, &acked);
    if (rc != 0)
        return rc;
    EXPECT(store_create(&t, fx.dir, "another", &e) == -1); /* no room for a reserve either */
    EXPECT(e.code == ERR_IO);
    EXPECT(access(fx.path, F_OK) == 0);
    EXPECT(store_append_last(s, &ev, &e) == 0); /* into the reserve */
    EXPECT(ev.seq == store_durable_seq(s));
    EXPECT(store_append_last(s, &ev, &e) == -1);
    acked = store_durable_seq(s);
    store_close(s);
    return check_end(acked, EVENT_ERROR);
}

static void put_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        perror(path); /* the mount below then fails, too */
    if (fd >= 0)
        close(fd);
}

/* Root in a user namespace, for those who are not root. */
static int become_root(void)
{
    char uids[40], gids[40];
    snprintf(uids, sizeof uids, "0 %u 1", (unsigned)getuid());
    snprintf(gids, sizeof gids, "0 %u 1", (unsigned)getgid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return -1;
    put_text("/proc/self/setgroups", "deny");
    put_text("/proc/self/uid_map", uids);
    put_text("/proc/self/gid_map", gids);
    return 0;
}

/* A tmpfs of 8 MiB of its own, seen by this process only. */
static int enter_small_disk(void)
{
    if (unshare(CLONE_NEWNS) < 0 && become_root() < 0)
        return -1;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return mount("none", fx.dir, "tmpfs", 0, "size=8m,mode=0700");
}

#define NO_MOUNT 250

static void test_full_disk(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(enter_small_disk() < 0 ? NO_MOUNT : live_on_full_disk());
    int status;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MOUNT) {
        printf("SKIPPED: this process may not mount a small tmpfs to fill up\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static int live_with_limit(void)
{
    struct err e = ERR_INIT;
    struct store *s;
    uint64_t acked = 0;
    struct rlimit limit;
    struct event ev = { .type = EVENT_ERROR,
                        .json = STOPPED_JSON,
                        .json_len = strlen(STOPPED_JSON) };
    signal(SIGXFSZ, SIG_IGN);
    EXPECT(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 2 << 20;
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    EXPECT(store_create(&s, fx.dir, ID, &e) == 0);
    int rc = fill_up(s, false, &acked);
    if (rc != 0)
        return rc;
    limit.rlim_cur = before;
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    EXPECT(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e) == -1); /* for good */
    EXPECT(store_append_last(s, &ev, &e) == 0);
    store_close(s);
    rc = check_end(acked, EVENT_ERROR);
    if (rc != 0)
        return rc;
    EXPECT(store_open(&s, fx.path, &e) == 0); /* and then resumed */
    EXPECT(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e) == 0);
    store_close(s);
    return check_end(acked, EVENT_TASK_GIVEN);
}

static void test_file_size_limit(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(live_with_limit());
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

/* ---- places where nothing can be written ---- */

static void test_lock_of_a_dead_process(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    store_close(fixture_create());
    char *lock = xasprintf("%s/" ID ".lock", fx.dir);
    int fd = open(lock, O_WRONLY | O_CREAT, 0600); /* left behind, naming a process that is gone */
    assert_int_equal(write(fd, "999999\n", 7), 7);
    close(fd);
    struct store *s = fixture_open(false);
    assert_false(store_is_live(s));
    store_close(s);
    s = fixture_open(true);
    store_close(s);
    /* a link in its place is not followed */
    assert_int_equal(symlink(fx.path, lock), 0);
    assert_err(store_open(&s, fx.path, &e), ERR_IO);
    assert_int_equal(unlink(lock), 0);
    free(lock);
}

/* ---- sessions that were never begun ---- */

static void test_unborn(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    assert_false(trash_erase_unborn(fx.path)); /* somebody is about to begin */
    store_close(s);
    char *head = xasprintf("%s/" ID ".head", fx.dir);
    int fd = open(head, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, "an anchor", 9), 9); /* something was cut off */
    close(fd);
    assert_false(trash_erase_unborn(fx.path));
    assert_int_equal(unlink(head), 0);
    assert_true(trash_erase_unborn(fx.path));
    assert_int_equal(access(fx.path, F_OK), -1);
    s = fixture_create();
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    store_close(s);
    assert_false(trash_erase_unborn(fx.path));
    assert_int_equal(access(fx.path, F_OK), 0);
    free(head);
}

static void make_file(const char *name)
{
    char *path = xasprintf("%s/%s", fx.dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    free(path);
}

static void test_half_made(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    int fd = -1;
    make_file(ID ".new");
    make_file(ID ".new-wal");
    char *lock = xasprintf("%s/" ID ".lock", fx.dir), *made = xasprintf("%s/" ID ".new", fx.dir);
    assert_ok(lock_take(lock, &fd, &e));
    sidecar_remove_leftovers(fx.dir, ID);
    assert_int_equal(access(made, F_OK), 0); /* being made */
    close(fd);
    sidecar_remove_leftovers(fx.dir, ID);
    assert_int_equal(access(made, F_OK), -1);
    assert_int_equal(access(lock, F_OK), -1);
    make_file(ID ".new"); /* of one that died, under the same id */
    store_close(fixture_create());
    free(lock);
    free(made);
}

static bool stays(const char *name, long seconds_old)
{
    char *path = xasprintf("%s/%s", fx.dir, name);
    make_file(name);
    struct timespec at[2] = { { .tv_sec = time(NULL) - seconds_old },
                              { .tv_sec = time(NULL) - seconds_old } };
    assert_int_equal(utimensat(AT_FDCWD, path, at, 0), 0);
    sidecar_remove_stray(fx.dir, name);
    bool there = access(path, F_OK) == 0;
    unlink(path);
    free(path);
    return there;
}

static void test_strays(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    int fd = -1;
    char *lock = xasprintf("%s/" ID ".lock", fx.dir);
    assert_false(stays(ID ".db.pack-AbC123", 3600));
    assert_false(stays(ID ".db.unpack-AbC123", 3600));
    assert_false(stays(ID ".db.copy-AbC123", 3600));
    assert_true(stays(ID ".db.copy-AbC123", 1)); /* a reader is about to open it */
    assert_true(stays(ID ".db", 3600));
    assert_true(stays(ID ".db.gz", 3600));
    assert_true(stays("notes.db", 3600));
    assert_ok(lock_take(lock, &fd, &e));
    assert_true(stays(ID ".db.pack-AbC123", 3600)); /* somebody packs */
    lock_drop(lock, fd);
    free(lock);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_in_memory, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_kill),      T(test_read_while_writing), T(test_writers_take_turns),
        T(test_full_disk), T(test_file_size_limit),    T(test_lock_of_a_dead_process),
        T(test_unborn),    T(test_half_made),          T(test_strays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
