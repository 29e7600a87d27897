/* test_store_faults.c - the store on a disk that fails, and after a power cut.
 *
 * The system calls by which SQLite and the store write are replaced in this program: they can fail
 * at any step, and they keep a record from which the files are rebuilt as a power cut could have
 * left them (any part of what was not yet synced, torn sectors included). [AUD-1, AUD-3, AUD-4,
 * threats §4]
 */
#include "session_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/syscall.h>

#include "base/path.h"

#define SECTOR 512

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

/* ---- the disk ---- */

struct op {
    enum { OP_WRITE, OP_CUT } kind;
    size_t offset, len; /* OP_CUT: the new size in offset */
    char *bytes;
};

struct file {
    char name[64];
    char *now, *synced; /* contents */
    size_t now_len, synced_len;
    bool there, there_synced; /* …_synced: as of the last sync of the directory */
    struct op *ops;           /* since the file was synced */
    size_t op_count, op_cap;
};

static struct {
    bool recording;
    struct file files[12];
    size_t count;
    unsigned long steps; /* recorded calls so far */

    long fail_at; /* the call with this number fails; -1: none */
    long calls;
    bool for_ever; /* and all after it */
    int error;     /* 0: a short write */
    bool no_sync;  /* syncs do nothing: for looking at images */
} disk = { .fail_at = -1 };

static void after_step(void); /* of the power cut test */

static const char *tracked(const char *path)
{
    size_t len = fx.dir != NULL ? strlen(fx.dir) : 0;
    if (len == 0 || strncmp(path, fx.dir, len) != 0 || path[len] != '/')
        return NULL;
    const char *name = path + len + 1;
    const char *dot = strrchr(name, '.');
    if (strchr(name, '/') != NULL || dot == NULL || strcmp(dot, ".lock") == 0 ||
        strcmp(dot, ".db-shm") == 0)
        return NULL;
    return name;
}

static const char *tracked_fd(int fd, char path[512])
{
    char proc[40];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(proc, path, 511);
    path[n > 0 ? n : 0] = '\0';
    return tracked(path);
}

static struct file *find_file(const char *name)
{
    for (size_t i = 0; i < disk.count; i++) {
        if (strcmp(disk.files[i].name, name) == 0)
            return &disk.files[i];
    }
    assert_true(disk.count < ARRAY_LEN(disk.files));
    struct file *f = &disk.files[disk.count++];
    snprintf(f->name, sizeof f->name, "%s", name);
    return f;
}

static void put(char **to, size_t *len, size_t offset, const char *bytes, size_t n)
{
    if (offset + n > *len) {
        *to = xrealloc(*to, offset + n);
        memset(*to + *len, 0, offset + n - *len);
        *len = offset + n;
    }
    if (n != 0)
        memcpy(*to + offset, bytes, n);
}

static void cut(char **to, size_t *len, size_t size)
{
    if (size > *len) {
        *to = xrealloc(*to, size);
        memset(*to + *len, 0, size - *len);
    }
    *len = size;
}

static void keep_op(struct file *f, struct op op)
{
    if (f->op_count == f->op_cap) {
        f->op_cap = f->op_cap != 0 ? f->op_cap * 2 : 64;
        f->ops = xreallocarray(f->ops, f->op_cap, sizeof *f->ops);
    }
    f->ops[f->op_count++] = op;
    f->there = true;
}

static void drop_ops(struct file *f)
{
    for (size_t i = 0; i < f->op_count; i++)
        free(f->ops[i].bytes);
    f->op_count = 0;
}

static void note_write(const char *name, size_t offset, const void *p, size_t n)
{
    struct file *f = find_file(name);
    put(&f->now, &f->now_len, offset, p, n);
    keep_op(f, (struct op){ OP_WRITE, offset, n, xmemdup(p, n) });
    after_step();
}

static void note_cut(const char *name, size_t size)
{
    struct file *f = find_file(name);
    cut(&f->now, &f->now_len, size);
    keep_op(f, (struct op){ OP_CUT, size, 0, NULL });
    after_step();
}

static void note_sync(const char *name)
{
    struct file *f = find_file(name);
    f->synced = xrealloc(f->synced, f->now_len + 1);
    memcpy(f->synced, f->now_len != 0 ? f->now : "", f->now_len);
    f->synced_len = f->now_len;
    drop_ops(f);
    after_step();
}

static void note_unlink(const char *name)
{
    struct file *f = find_file(name);
    drop_ops(f);
    f->there = false;
    f->now_len = 0;
    after_step();
}

/* The bytes go along, and so does how much of them is synced; the names are another matter. */
static void note_rename(const char *from, const char *to)
{
    struct file *f = find_file(from), *t = find_file(to);
    drop_ops(t);
    free(t->ops);
    free(t->now);
    free(t->synced);
    bool there_synced = t->there_synced;
    char name[sizeof t->name];
    memcpy(name, t->name, sizeof name);
    *t = *f;
    memcpy(t->name, name, sizeof name);
    t->there_synced = there_synced;
    there_synced = f->there_synced;
    memcpy(name, f->name, sizeof name);
    *f = (struct file){ .there_synced = there_synced };
    memcpy(f->name, name, sizeof name);
    after_step();
}

static void note_dir_sync(void)
{
    for (size_t i = 0; i < disk.count; i++) {
        struct file *f = &disk.files[i];
        if (!f->there)
            f->synced_len = 0;
        f->there_synced = f->there;
    }
    after_step();
}

static void forget_disk(void)
{
    for (size_t i = 0; i < disk.count; i++) {
        drop_ops(&disk.files[i]);
        free(disk.files[i].ops);
        free(disk.files[i].now);
        free(disk.files[i].synced);
    }
    memset(&disk, 0, sizeof disk);
    disk.fail_at = -1;
}

/* Does this call fail? */
static bool fails(void)
{
    if (disk.fail_at < 0)
        return false;
    long n = disk.calls++;
    return n == disk.fail_at || (disk.for_ever && n > disk.fail_at);
}

/* ---- the calls ---- */

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t offset);
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t offset)
{
    char path[512];
    const char *name = tracked_fd(fd, path);
    if (name != NULL && fails()) {
        errno = disk.error;
        if (disk.error != 0)
            return -1;
        n = n > 1 ? n / 2 : n;
    }
    ssize_t done = syscall(SYS_pwrite64, fd, p, n, offset);
    if (name != NULL && done > 0 && disk.recording)
        note_write(name, (size_t)offset, p, (size_t)done);
    return done;
}

ssize_t write(int fd, const void *p, size_t n)
{
    char path[512];
    const char *name = fd > 2 ? tracked_fd(fd, path) : NULL;
    if (name != NULL && fails()) {
        errno = disk.error;
        if (disk.error != 0)
            return -1;
        n = n > 1 ? n / 2 : n;
    }
    struct stat st = { .st_size = 0 };
    if (name != NULL)
        fstat(fd, &st); /* the only one that writes so, the anchors, appends */
    ssize_t done = syscall(SYS_write, fd, p, n);
    if (name != NULL && done > 0 && disk.recording)
        note_write(name, (size_t)st.st_size, p, (size_t)done);
    return done;
}

static int sync_fd(int fd, long call)
{
    char path[512];
    const char *name = tracked_fd(fd, path);
    bool dir = fx.dir != NULL && strcmp(path, fx.dir) == 0;
    if ((name != NULL || dir) && fails() && disk.error != 0) {
        errno = disk.error;
        return -1;
    }
    int rc = disk.no_sync || name != NULL || dir ? 0 : (int)syscall(call, fd);
    if (name != NULL && disk.recording)
        note_sync(name);
    if (dir && disk.recording)
        note_dir_sync();
    return rc;
}

int fdatasync(int fd)
{
    return sync_fd(fd, SYS_fdatasync);
}

int fsync(int fd)
{
    return sync_fd(fd, SYS_fsync);
}

static int cut_fd(int fd, off_t size)
{
    char path[512];
    const char *name = tracked_fd(fd, path);
    if (name != NULL && fails() && disk.error != 0) {
        errno = disk.error;
        return -1;
    }
    int rc = (int)syscall(SYS_ftruncate, fd, size);
    if (name != NULL && rc == 0 && disk.recording)
        note_cut(name, (size_t)size);
    return rc;
}

int ftruncate(int fd, off_t size)
{
    return cut_fd(fd, size);
}

int ftruncate64(int fd, off64_t size);
int ftruncate64(int fd, off64_t size)
{
    return cut_fd(fd, size);
}

int unlink(const char *path)
{
    const char *name = tracked(path);
    int rc = (int)syscall(SYS_unlink, path);
    if (name != NULL && rc == 0 && disk.recording)
        note_unlink(name);
    return rc;
}

int rename(const char *from, const char *to)
{
    const char *a = tracked(from), *b = tracked(to);
    if (a != NULL && fails() && disk.error != 0) {
        errno = disk.error;
        return -1;
    }
    int rc = (int)syscall(SYS_rename, from, to);
    if (a != NULL && b != NULL && rc == 0 && disk.recording)
        note_rename(a, b);
    return rc;
}

/* ---- a session's life, with everything that writes ---- */

struct life {
    uint64_t acked;    /* seq that was said to be on disk */
    uint64_t appended; /* seq of the last append that succeeded */
    bool failed;
};

static int append_blob(struct store *s, struct err *e)
{
    static char blob[40000];
    struct event ev = {
        .type = EVENT_CHECKPOINT_MADE, .run = 1, .json = "{\"kind\":\"saved\"}", .json_len = 16
    };
    memset(blob, 'b', sizeof blob);
    return store_append_checkpoint(s, &ev, "saved", "one", blob, sizeof blob, NULL, e);
}

static int append_kind(struct store *s, int i, struct err *e)
{
    static char chunk[9000];
    memset(chunk, 'a' + i % 26, sizeof chunk);
    switch (i % 7) {
    case 0:
        return append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, e);
    case 1:
    case 2:
        return append_output(s, 1, 1 + (unsigned)i % 2, chunk,
                             sizeof chunk - 977u * (unsigned)(i % 5), e);
    case 3:
        return append_json(s, EVENT_SANDBOX_READY, 0,
                           "{\"kind\":\"x\",\"label\":\"l\",\"id\":\"i\"}", e);
    case 4:
        return append_json(s, EVENT_STATE_CHANGED, 1, "{\"vars\":[{\"name\":\"v\"}],\"files\":[]}",
                           e);
    case 5:
        return append_blob(s, e);
    default:
        return append_json(s, EVENT_NOTE, 0, NOTE_JSON, e);
    }
}

static void check_sticky(struct store *s, const struct err *first)
{
    struct err e = ERR_INIT, why = ERR_INIT;
    uint64_t last = store_last_seq(s);
    assert_true(store_failed(s, &why));
    assert_string_equal(why.msg, first->msg);
    assert_err(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e), first->code);
    assert_err(store_flush(s, &e), first->code);
    assert_int_equal(store_last_seq(s), last);
    assert_int_equal(store_durable_seq(s), last);
    assert_int_equal(store_flush_due_us(s), 0);
}

/* Append `n` events; on failure see that it is final. */
static void live(struct store *s, int n, struct life *l)
{
    struct err e = ERR_INIT;
    bool more;
    for (int i = 0; i < n && !l->failed; i++) {
        if (append_kind(s, i, &e) < 0 ||
            (i % 11 == 10 && store_drop_checkpoint(s, "one", 1, &more, &e) < 0)) {
            assert_true(e.code == ERR_IO || e.code == ERR_BUSY);
            l->failed = true;
            check_sticky(s, &e);
        } else {
            l->appended = store_last_seq(s);
            l->acked = store_durable_seq(s);
        }
    }
}

/* ---- errors at every step ---- */

static void check_outcome(const struct life *l, long step)
{
    struct err e = ERR_INIT;
    struct verify_report rep;
    struct store *s;
    disk.fail_at = -1;
    if (store_open(&s, fx.path, &e) < 0) {
        if (l->acked != 0)
            fail_msg("step %ld: %s", step, e.msg);
        return; /* it never came to be */
    }
    if (store_last_seq(s) < l->acked)
        fail_msg("step %ld: %" PRIu64 " acknowledged, %" PRIu64 " there", step, l->acked,
                 store_last_seq(s));
    assert_ok(store_verify(s, &rep, &e));
    if (rep.result != VERIFY_WHOLE)
        fail_msg("step %ld: event %" PRIu64 ": %s", step, rep.first_bad, rep.reason);
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    store_close(s);
}

#define STOPPED_JSON "{\"code\":\"io\",\"message\":\"stopped: disk full\",\"hint\":\"\"}"

/* The last word: fits if the disk takes writes again, fails cleanly if not; only once. */
static void say_last(struct store *s, struct life *l)
{
    struct err e = ERR_INIT;
    struct event ev = { .type = EVENT_ERROR,
                        .json = STOPPED_JSON,
                        .json_len = strlen(STOPPED_JSON) };
    if (store_append_last(s, &ev, &e) == 0) {
        assert_true(store_durable_seq(s) > l->acked);
        l->acked = store_durable_seq(s);
    }
    assert_true(store_failed(s, NULL));
    assert_int_equal(store_append_last(s, &ev, &e), -1);
    assert_int_equal(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e), -1);
}

/* Runs one life whose call `step` fails. Returns whether there was such a call. */
static bool run_faulty(long step, int error, bool for_ever)
{
    struct err e = ERR_INIT;
    struct store *s;
    struct life l = { 0 };
    forget_disk();
    empty_dir(fx.dir);
    disk.fail_at = step;
    disk.error = error;
    disk.for_ever = for_ever;
    if (store_create(&s, fx.dir, ID, &e) == 0) {
        live(s, 22, &l);
        if (l.failed)
            say_last(s, &l);
        store_close(s);
        if (!l.failed) {
            if (store_open(&s, fx.path, &e) == 0) {
                live(s, 8, &l);
                store_close(s);
            }
        }
    } else {
        assert_null(s);
    }
    bool reached = disk.calls > step;
    check_outcome(&l, step);
    return reached;
}

static void run_all_steps(int error, bool for_ever)
{
    long step = 0;
    while (run_faulty(step, error, for_ever))
        step++;
    printf("%ld calls failed in turn\n", step);
    assert_true(step > 100); /* it did write */
}

static void test_disk_full_once(void **state)
{
    (void)state;
    run_all_steps(ENOSPC, false);
}

static void test_disk_full_for_ever(void **state)
{
    (void)state;
    run_all_steps(ENOSPC, true);
}

static void test_io_error_once(void **state)
{
    (void)state;
    run_all_steps(EIO, false);
}

static void test_io_error_for_ever(void **state)
{
    (void)state;
    run_all_steps(EIO, true);
}

static void test_short_writes(void **state)
{
    (void)state;
    run_all_steps(0, false);
    run_all_steps(0, true);
}

/* A row larger than SQLite's cache: writing begins before the commit. */
static bool run_big(long step)
{
    struct err e = ERR_INIT;
    struct store *s;
    struct life l = { 0 };
    size_t len = (size_t)6 << 20;
    char *blob = xcalloc(1, len);
    forget_disk();
    empty_dir(fx.dir);
    assert_ok(store_create(&s, fx.dir, ID, &e));
    live(s, 7, &l);
    disk.fail_at = step;
    disk.error = ENOSPC;
    struct event ev = {
        .type = EVENT_CHECKPOINT_MADE, .run = 1, .json = "{\"kind\":\"saved\"}", .json_len = 16
    };
    if (store_append_checkpoint(s, &ev, "saved", NULL, blob, len, NULL, &e) < 0)
        check_sticky(s, &e);
    else
        l.acked = store_durable_seq(s);
    store_close(s);
    bool reached = disk.calls > step;
    check_outcome(&l, step);
    free(blob);
    return reached;
}

static void test_disk_full_in_a_big_row(void **state)
{
    (void)state;
    long step = 0;
    while (run_big(step))
        step += 37;
    assert_true(step > 300);
}

/* ---- power cuts ---- */

static struct {
    bool on;
    struct life *life; /* what was promised by now */
    unsigned one_in;   /* look after one of so many steps */
    unsigned images;
    char *dir; /* where images are built */
} cuts;

static void write_image(const char *name, const char *p, size_t len)
{
    char *path = xasprintf("%s/%s", cuts.dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(syscall(SYS_write, fd, p, len), len);
    close(fd);
    free(path);
}

/* Some sectors of a write that was under way. */
static void put_torn(char **to, size_t *len, const struct op *op)
{
    for (size_t at = 0; at < op->len;) {
        size_t n = SECTOR - (op->offset + at) % SECTOR;
        if (n > op->len - at)
            n = op->len - at;
        if (rnd(2) == 0)
            put(to, len, op->offset + at, op->bytes + at, n);
        at += n;
    }
}

enum loss { LOSE_NOTHING, LOSE_UNSYNCED, LOSE_SOME, LOSE_SECTORS, LOSS_COUNT };

static void build_file(const struct file *f, enum loss loss)
{
    char *p = NULL;
    size_t len = 0;
    /* a name that was not synced may be lost, or come back */
    bool there = loss == LOSE_NOTHING || f->there == f->there_synced || rnd(2) == 0
                     ? f->there
                     : f->there_synced;
    if (!there)
        return;
    put(&p, &len, 0, f->synced != NULL ? f->synced : "", f->synced_len);
    for (size_t i = 0; i < f->op_count && loss != LOSE_UNSYNCED; i++) {
        const struct op *op = &f->ops[i];
        if (loss != LOSE_NOTHING && rnd(3) == 0)
            continue;
        if (op->kind == OP_CUT)
            cut(&p, &len, op->offset);
        else if (loss == LOSE_SECTORS)
            put_torn(&p, &len, op);
        else
            put(&p, &len, op->offset, op->bytes, op->len);
    }
    write_image(f->name, p != NULL ? p : "", len);
    free(p);
}

/* A session that was never acknowledged may be missing, but not be there in part. */
static void check_image(const struct life *l, enum loss loss)
{
    struct err e = ERR_INIT;
    struct verify_report rep;
    struct store *s;
    char *path = xasprintf("%s/" ID ".db", cuts.dir);
    if (store_open(&s, path, &e) < 0) {
        if (l->acked != 0 || e.code != ERR_MISSING) /* whole, or not there at all */
            fail_msg("after step %lu, loss %d: %s", disk.steps, (int)loss, e.msg);
        free(path);
        return;
    }
    if (store_last_seq(s) < l->acked)
        fail_msg("after step %lu, loss %d: %" PRIu64 " acknowledged, %" PRIu64 " there", disk.steps,
                 (int)loss, l->acked, store_last_seq(s));
    assert_ok(store_verify(s, &rep, &e));
    if (rep.result != VERIFY_WHOLE)
        fail_msg("after step %lu, loss %d: event %" PRIu64 ": %s", disk.steps, (int)loss,
                 rep.first_bad, rep.reason);
    store_close(s);
    free(path);
}

static void after_step(void)
{
    disk.steps++;
    if (!cuts.on || rnd(cuts.one_in) != 0)
        return;
    /* what the check itself does to its files is none of the record's business */
    disk.recording = false;
    disk.no_sync = true;
    for (int loss = 0; loss < LOSS_COUNT; loss++) {
        empty_dir(cuts.dir);
        for (size_t i = 0; i < disk.count; i++)
            build_file(&disk.files[i], (enum loss)loss);
        check_image(cuts.life, (enum loss)loss);
        cuts.images++;
    }
    disk.no_sync = false;
    disk.recording = true;
}

static void test_power_cuts(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct life l = { 0 };
    struct store *s;
    const char *more = getenv("STORE_CRASH_ROUNDS");
    int rounds = more != NULL ? atoi(more) : 1;
    seed = 11;
    cuts.dir = xasprintf("%s/image", fx.dir);
    assert_ok(path_make_private_dir(cuts.dir, &e));
    for (int round = 0; round < rounds; round++) {
        forget_disk();
        l = (struct life){ 0 };
        cuts.life = &l;
        cuts.one_in = 1; /* every step of opening and closing, some of the rest */
        disk.recording = cuts.on = true;
        assert_ok(store_create(&s, fx.dir, ID, &e));
        cuts.one_in = 9;
        live(s, 150, &l);
        assert_false(l.failed);
        assert_ok(store_flush(s, &e));
        l.acked = store_durable_seq(s);
        cuts.one_in = 1;
        store_close(s);
        for (int again = 0; again < 2; again++) {
            s = fixture_open(true);
            cuts.one_in = 9;
            live(s, 60, &l);
            cuts.one_in = 2;
            assert_ok(store_erase(s, 3 + 7 * (uint64_t)again, &e));
            cuts.one_in = 1;
            store_close(s);
        }
        disk.recording = cuts.on = false;
        assert_int_equal(syscall(SYS_unlink, fx.path), 0);
    }
    printf("%u images of a power cut, %lu steps\n", cuts.images, disk.steps);
    assert_true(cuts.images > 500);
    forget_disk();
    empty_dir(cuts.dir);
    free(cuts.dir);
}

static int faults_teardown(void **state)
{
    forget_disk();
    return fixture_teardown(state);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_in_memory, faults_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_disk_full_once),    T(test_disk_full_for_ever), T(test_io_error_once),
        T(test_io_error_for_ever), T(test_short_writes),       T(test_disk_full_in_a_big_row),
        T(test_power_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
