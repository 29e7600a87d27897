/* test_sandbox_death.c - what must not outlive a sandbox or the program: processes, descriptors,
 * anything under a uid that matters. Proved on the host, by looking for them. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>

#include "contract/box.h"

/* Host processes with `nonce` in their arguments. */
static int count_with_argument(const char *nonce)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int count = 0;
    while ((entry = readdir(proc)) != NULL) {
        char path[300], text[4096];
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : 0;
        if (fd >= 0)
            close(fd);
        if (n > 0 && memmem(text, (size_t)n, nonce, strlen(nonce)) != NULL)
            count++;
    }
    closedir(proc);
    return count;
}

/* Until `wanted` of them are there, or it is hopeless. */
static int wait_for_arguments(const char *nonce, int wanted)
{
    int64_t until = clock_mono_us() + BOX_WAIT_US;
    int count = count_with_argument(nonce);
    while ((wanted > 0 ? count < wanted : count > 0) && clock_mono_us() < until) {
        usleep(10000);
        count = count_with_argument(nonce);
    }
    return count;
}

static char *swarm_code(const char *nonce)
{
    return xasprintf(
        "import subprocess\n"
        "for i in range(3):\n"
        "    subprocess.Popen(['sh', '-c', 'trap \"\" TERM INT HUP; while :; do sleep 1; done', "
        "'%s'])\n"
        "    subprocess.Popen(['setsid', 'sh', '-c', '(while :; do sleep 1; done) & wait', '%s'])\n"
        "print('on', flush=True)\n"
        "while True: pass",
        nonce, nonce);
}

static void kill_leaves_no_survivor(void **state)
{
    BOX_NEEDS_LOCAL();
    char nonce[64];
    (void)state;
    snprintf(nonce, sizeof nonce, "swarm-%ld-%lld", (long)getpid(), (long long)clock_boot_us());
    char *code = swarm_code(nonce);
    struct box *b = box_open_default();
    struct sandbox_run rq = box_request(b, "python", code);
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    assert_true(wait_for_arguments(nonce, 6) >= 6); /* the probe sees them while they live */
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    assert_int_equal(count_with_argument(nonce), 0);
    box_free(b);
    free(code);
}

static void timeout_leaves_no_runaway(void **state)
{
    BOX_NEEDS_LOCAL();
    char nonce[64];
    struct contract c = box_contract();
    c.timeout_s = 1;
    (void)state;
    snprintf(nonce, sizeof nonce, "late-%ld-%lld", (long)getpid(), (long long)clock_boot_us());
    char *code = swarm_code(nonce);
    struct box *b = box_open(&c);
    box_run(b, code);
    assert_end(b, END_TIMEOUT);
    assert_int_equal(count_with_argument(nonce), 0);
    box_run(b, "print('next')");
    assert_out(b, "next\n");
    box_free(b);
    free(code);
}

/* A process with a sandbox of its own, which is then killed without warning. */
static void be_killed(int report, const char *nonce)
{
    struct err e = ERR_INIT;
    if (launcher_start(&box_world.launcher, &e) < 0 || loop_new(&box_world.loop, &e) < 0)
        _exit(1);
    struct box *b = box_open_default();
    char *code = swarm_code(nonce);
    struct sandbox_run rq = box_request(b, "python", code);
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    if (write(report, "r", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void sandbox_dies_with_the_program(void **state)
{
    BOX_NEEDS_LOCAL();
    char nonce[64], byte;
    int ends[2], status;
    (void)state;
    snprintf(nonce, sizeof nonce, "orphan-%ld-%lld", (long)getpid(), (long long)clock_boot_us());
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0)
        be_killed(ends[1], nonce);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    int seen = wait_for_arguments(nonce, 6);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    assert_true(seen >= 6);
    assert_int_equal(wait_for_arguments(nonce, 0), 0);
}

static void no_descriptor_is_lost_here(void **state)
{
    BOX_NEEDS();
    int before = -1;
    (void)state;
    for (int round = 0; round < 4; round++) {
        struct box *b = box_open_default();
        box_run(b, "print(1)");
        if (round % 2 == 0) {
            box_kill(b, END_KILLED);
            box_wait(b, closed, 1);
        }
        box_free(b);
        net_free(box_world.net); /* with the connections it keeps for the next request */
        box_world.net = net_new(box_world.loop);
        int now = 0;
        for (int fd = 0; fd < 1024; fd++)
            now += fcntl(fd, F_GETFD) >= 0;
        if (before < 0)
            before = now;
        assert_int_equal(now, before);
    }
}

/* Living children of the launcher, and what it inherited. */
static int count_children(pid_t parent)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int count = 0;
    while ((entry = readdir(proc)) != NULL) {
        char path[300], text[512];
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
        if (fd >= 0)
            close(fd);
        text[n > 0 ? n : 0] = '\0';
        const char *end = strrchr(text, ')');
        if (end != NULL && strlen(end) > 4 && end[2] != 'Z' && strtol(end + 4, NULL, 10) == parent)
            count++;
    }
    closedir(proc);
    return count;
}

/* The launcher's helpers end a moment after they answered. */
static int wait_for_no_children(void)
{
    int64_t until = clock_mono_us() + BOX_WAIT_US;
    int count = count_children(launcher_pid(box_world.launcher));
    while (count > 0 && clock_mono_us() < until) {
        usleep(1000);
        count = count_children(launcher_pid(box_world.launcher));
    }
    return count;
}

/* bwrap arms its own "die with parent" late: whoever kills it too early leaves a sandbox running.
 * Killed at 40 different moments, and closed at 40, nothing may be left. */
static void kills_at_any_moment_leave_nothing(void **state)
{
    BOX_NEEDS_LOCAL();
    (void)state;
    for (int i = 0; i < 80; i++) {
        struct box *b = box_new();
        struct contract c = box_contract();
        struct err e = ERR_INIT;
        assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
        int64_t until = clock_mono_us() + i % 40 * 500;
        while (clock_mono_us() < until)
            assert_int_equal(loop_turn(box_world.loop, 0, &e), 0);
        if (i < 40) {
            box_kill(b, END_KILLED);
            box_wait(b, closed, 1);
            assert_true(b->confirmed);
        }
        box_free(b);
        assert_int_equal(wait_for_no_children(), 0);
    }
}

static void host_uid_is_not_ours_when_root(void **state)
{
    BOX_NEEDS_LOCAL();
    if (geteuid() != 0) {
        fprintf(stderr, "SKIP: not root\n");
        skip();
    }
    char nonce[64];
    (void)state;
    snprintf(nonce, sizeof nonce, "uid-%ld-%lld", (long)getpid(), (long long)clock_boot_us());
    struct box *b = box_open_default();
    char *code = swarm_code(nonce);
    struct sandbox_run rq = box_request(b, "python", code);
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    assert_true(wait_for_arguments(nonce, 6) >= 6);
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int seen = 0;
    while ((entry = readdir(proc)) != NULL) {
        char path[300], text[4096];
        struct stat st;
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : 0;
        if (n > 0 && memmem(text, (size_t)n, nonce, strlen(nonce)) != NULL && fstat(fd, &st) == 0) {
            assert_int_not_equal(st.st_uid, 0);
            assert_int_equal(st.st_uid, launcher_sandbox_uid(box_world.launcher));
            seen++;
        }
        if (fd >= 0)
            close(fd);
    }
    closedir(proc);
    assert_true(seen >= 6);
    free(code);
    box_free(b);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(kill_leaves_no_survivor),           BOX_TEST(timeout_leaves_no_runaway),
    BOX_TEST(sandbox_dies_with_the_program),     BOX_TEST(no_descriptor_is_lost_here),
    BOX_TEST(kills_at_any_moment_leave_nothing), BOX_TEST(host_uid_is_not_ours_when_root),
};

BOX_GROUP(tests)
