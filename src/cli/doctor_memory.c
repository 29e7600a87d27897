/* doctor_memory.c - that code which does not end was ended here, remembered: a new sandbox is not
 * kept waiting for the same proof. It holds for this program, kernel, user and bubblewrap, for 30
 * days. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "cli/doctor.h"

#define MEMORY_MAX  ((size_t)4 << 10)
#define VALID_S     (INT64_C(30) * 86400)
#define BWRAP       "/usr/bin/bwrap"
#define NEVER_MINDS 120 /* seconds a clock may have been set back */

static char *memory_path(const struct app *app, const char *kind)
{
    char *name = xasprintf("doctor-%s", kind), *path = path_join(app->paths.state_dir, name);
    free(name);
    return path;
}

/* What must be the same for the proof to hold. */
static char *circumstances(void)
{
    struct utsname u;
    struct stat st = { 0 };
    uname(&u);
    (void)!stat(BWRAP, &st);
    return xasprintf("%s %s uid %u bwrap %llu %lld %lld", AIRLOCK_VERSION, u.release,
                     (unsigned)geteuid(), (unsigned long long)st.st_ino, (long long)st.st_size,
                     (long long)st.st_mtim.tv_sec);
}

void doctor_remember(const struct app *app, const char *kind, bool passed)
{
    struct err e = ERR_INIT;
    char *path = memory_path(app, kind), *now = circumstances();
    char *text = xasprintf("%lld %s\n", (long long)(clock_wall_us() / 1000000), now);
    if (!passed)
        unlink(path);
    else if (path_make_private_dir(app->paths.state_dir, &e) == 0)
        (void)!path_write_file(path, text, strlen(text), &e); /* then it is proved again */
    free(path);
    free(now);
    free(text);
}

bool doctor_recall(const struct app *app, const char *kind, char *words, size_t size)
{
    struct err e = ERR_INIT;
    struct buf text = BUF_INIT(MEMORY_MAX);
    char *path = memory_path(app, kind), *now = circumstances(), *end;
    bool there = path_read_private(path, &text, &e) == 0;
    long long at = strtoll(buf_str(&text), &end, 10);
    int64_t age = clock_wall_us() / 1000000 - at;
    there = there && *end == ' ' && strncmp(end + 1, now, strlen(now)) == 0 &&
            strcmp(end + 1 + strlen(now), "\n") == 0 && age >= -NEVER_MINDS && age < VALID_S;
    snprintf(words, size, "ended by this program on this kernel: airlock doctor, %lld days ago",
             (long long)(age > 0 ? age / 86400 : 0));
    if (!there)
        words[0] = '\0';
    free(path);
    free(now);
    buf_release(&text);
    return there;
}
