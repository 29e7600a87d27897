/* local_cgroup.c - control groups v1 and v2 of one local sandbox. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "providers/sandboxes/local_cgroup.h"

#define SMALL_FILE 4096

/* What is read before and after each run; the files stay open from the first reading on. */
enum counter { OOM_KILLS, PIDS_REFUSED, MEMORY_USED, COUNTERS };

struct cgroup {
    int version;
    bool ours;               /* made by us, so removed by us */
    char *dir[CGROUP_PARTS]; /* NULL: that limit is not set; v2: only dir[0] is walked */
    char *unified;
    unsigned has;
    int counter[COUNTERS]; /* descriptors; -1: not yet, or not there */
};

static const char *const part_names[CGROUP_PARTS] = { "memory", "pids", "cpu" };

/* ---- small files ---- */

static int open_file(const char *dir, const char *name)
{
    char *path = path_join(dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    free(path);
    return fd;
}

/* From its beginning; the kernel makes it anew for each reading. */
static int read_all(int fd, char out[SMALL_FILE])
{
    ssize_t n = fd >= 0 ? pread(fd, out, SMALL_FILE - 1, 0) : -1;
    out[n > 0 ? n : 0] = '\0';
    return n < 0 ? -1 : 0;
}

static int read_file(const char *dir, const char *name, char out[SMALL_FILE])
{
    int fd = open_file(dir, name), rc = read_all(fd, out);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int write_file(const char *dir, const char *name, const char *text)
{
    char *path = path_join(dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    free(path);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    close(fd);
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int write_number(const char *dir, const char *name, int64_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)n);
    return write_file(dir, name, text);
}

/* "key 12" on a line of its own; the whole file when key is "". -1: not there. */
static int64_t find_number(const char *text, const char *key)
{
    size_t key_len = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (key_len == 0)
            return strtoll(line, NULL, 10);
        if (strncmp(line, key, key_len) == 0 && line[key_len] == ' ')
            return strtoll(line + key_len + 1, NULL, 10);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return -1;
}

static int64_t read_number(const char *dir, const char *name)
{
    char text[SMALL_FILE];
    return dir != NULL && read_file(dir, name, text) == 0 ? find_number(text, "") : -1;
}

static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += len) {
        bool starts = at == list || strchr(" ,\n", at[-1]) != NULL;
        if (starts && strchr(" ,\n", at[len]) != NULL) /* strchr finds the end too */
            return true;
    }
    return false;
}

/* ---- where groups can be made ---- */

static bool can_make(const char *dir)
{
    char name[64];
    snprintf(name, sizeof name, "airlock-probe-%ld", (long)getpid());
    char *path = path_join(dir, name);
    bool ok = mkdir(path, 0755) == 0;
    if (ok)
        rmdir(path);
    free(path);
    return ok;
}

/* Our own path in the hierarchy whose controller list satisfies `part` ("" = v2), from the text of
 * /proc/self/cgroup: "4:memory:/a/b". Caller frees; also its controller field, which names the
 * mount. */
static char *own_path(const char *self, const char *part, char **mount)
{
    for (const char *line = self; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        const char *list = memchr(line, ':', (size_t)(end - line));
        const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;
        if (path != NULL) {
            char *names = xstrndup(list + 1, (size_t)(path - list - 1));
            if (*part == '\0' ? *names == '\0' : has_word(names, part)) {
                *mount = names;
                return xstrndup(path + 1, (size_t)(end - path - 1));
            }
            free(names);
        }
        line = *end == '\n' ? end + 1 : end;
    }
    return NULL;
}

/* The directory of our own group, or the top of that hierarchy where a container hides it. */
static char *own_dir(const char *root, const char *self, const char *part, const char *mount)
{
    char *names = NULL;
    char *path = own_path(self, part, &names);
    if (path == NULL)
        return NULL;
    char *top = mount[0] != '\0' ? path_join(root, mount) : xstrdup(root);
    char *dir = xasprintf("%s%s", top, strcmp(path, "/") == 0 ? "" : path);
    struct stat st;
    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
        free(dir);
        dir = xstrdup(top);
    }
    free(top);
    free(path);
    free(names);
    return dir;
}

static void find_v1(struct cgroup_place *out, const char *root, const char *self)
{
    for (int i = 0; i < CGROUP_PARTS; i++) {
        char *names = NULL;
        char *path = own_path(self, part_names[i], &names);
        char *dir = path != NULL ? own_dir(root, self, part_names[i], names) : NULL;
        free(path);
        free(names);
        if (dir != NULL && can_make(dir)) {
            out->dir[i] = dir;
            out->version = 1;
        } else {
            free(dir);
        }
    }
    char *unified = own_dir(root, self, "", "unified");
    if (out->version == 1 && unified != NULL && can_make(unified))
        out->unified = unified;
    else
        free(unified);
}

/* v2: processes live in leaves only, so our own group can't hold another; the nearest directory
 * above it that passes memory and pids on and lets us make one can. */
static void find_v2(struct cgroup_place *out, const char *root, const char *self)
{
    char *dir = own_dir(root, self, "", "");
    size_t root_len = strlen(root);
    while (dir != NULL && strlen(dir) >= root_len) {
        char passed_on[SMALL_FILE];
        if (read_file(dir, "cgroup.subtree_control", passed_on) == 0 &&
            has_word(passed_on, "memory") && has_word(passed_on, "pids") && can_make(dir)) {
            out->version = 2;
            for (int i = 0; i < CGROUP_PARTS; i++)
                if (has_word(passed_on, part_names[i]))
                    out->dir[i] = xstrdup(dir);
            break;
        }
        char *slash = strrchr(dir, '/');
        if (slash == NULL)
            break;
        *slash = '\0';
    }
    free(dir);
}

void cgroup_find(struct cgroup_place *out, const char *root, const char *self)
{
    memset(out, 0, sizeof *out);
    char *controllers = path_join(root, "cgroup.controllers");
    bool pure_v2 = access(controllers, F_OK) == 0;
    free(controllers);
    if (pure_v2)
        find_v2(out, root, self);
    else
        find_v1(out, root, self);
}

void cgroup_place_release(struct cgroup_place *p)
{
    if (p == NULL)
        return;
    for (int i = 0; i < CGROUP_PARTS; i++)
        free(p->dir[i]);
    free(p->unified);
    memset(p, 0, sizeof *p);
}

static void sweep_dir(const char *path)
{
    DIR *dir = path != NULL ? opendir(path) : NULL;
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        size_t prefix = strlen(CGROUP_NAME_PREFIX);
        char *end;
        if (strncmp(entry->d_name, CGROUP_NAME_PREFIX, prefix) != 0)
            continue;
        long pid = strtol(entry->d_name + prefix, &end, 10);
        if (pid > 0 && *end == '-' && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
            (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
    }
    if (dir != NULL)
        closedir(dir);
}

void cgroup_sweep(const struct cgroup_place *p)
{
    for (int i = 0; i < CGROUP_PARTS; i++)
        sweep_dir(p->dir[i]);
    sweep_dir(p->unified);
}

/* ---- one group ---- */

static int set_v1(struct cgroup *g, enum cgroup_part part, const struct cgroup_limits *l)
{
    const char *dir = g->dir[part];
    int rc = -1;
    switch (part) {
    case CGROUP_MEMORY:
        rc = write_number(dir, "memory.limit_in_bytes", l->memory_bytes);
        /* Absent where swap accounting is off: there is no swap limit to set then. */
        (void)write_number(dir, "memory.memsw.limit_in_bytes", l->memory_bytes);
        break;
    case CGROUP_PIDS:
        rc = write_number(dir, "pids.max", l->pids);
        break;
    case CGROUP_CPU:
        rc = write_number(dir, "cpu.cfs_period_us", 100000);
        if (rc == 0)
            rc = write_number(dir, "cpu.cfs_quota_us", l->cpus * 100000);
        break;
    case CGROUP_PARTS:
        break;
    }
    return rc;
}

static int set_v2(struct cgroup *g, enum cgroup_part part, const struct cgroup_limits *l)
{
    const char *dir = g->dir[part];
    char text[64];
    int rc = -1;
    switch (part) {
    case CGROUP_MEMORY:
        rc = write_number(dir, "memory.max", l->memory_bytes);
        (void)write_file(dir, "memory.swap.max", "0");
        (void)write_file(dir, "memory.oom.group", "0"); /* one process dies, not the sandbox */
        break;
    case CGROUP_PIDS:
        rc = write_number(dir, "pids.max", l->pids);
        break;
    case CGROUP_CPU:
        snprintf(text, sizeof text, "%lld 100000", (long long)l->cpus * 100000);
        rc = write_file(dir, "cpu.max", text);
        break;
    case CGROUP_PARTS:
        break;
    }
    return rc;
}

/* A limit counts only when it reads back as what was asked for (memory: rounded to pages). */
static bool reads_back(const struct cgroup *g, enum cgroup_part part, const struct cgroup_limits *l)
{
    static const char *const files[2][CGROUP_PARTS] = { { "memory.limit_in_bytes", "pids.max",
                                                          "cpu.cfs_quota_us" },
                                                        { "memory.max", "pids.max", "cpu.max" } };
    int64_t want = part == CGROUP_MEMORY ? l->memory_bytes
                   : part == CGROUP_PIDS ? l->pids
                                         : l->cpus * 100000;
    int64_t got = read_number(g->dir[part], files[g->version - 1][part]);
    return got > 0 && got <= want;
}

static int set_limit(struct cgroup *g, enum cgroup_part part, const struct cgroup_limits *l)
{
    int rc = g->version == 2 ? set_v2(g, part, l) : set_v1(g, part, l);
    return rc == 0 && reads_back(g, part, l) ? 0 : -1;
}

static bool is_first_dir(const struct cgroup *g, int part)
{
    for (int i = 0; i < part; i++)
        if (g->dir[i] != NULL && strcmp(g->dir[i], g->dir[part]) == 0)
            return false;
    return true;
}

/* "airlock-PID-N" and "airlock-probe-PID": the groups of an Airlock that was killed are empty, and
 * nobody else's. A pid comes round again, and its groups would then be in the way. */
static bool is_of_the_dead(const char *name)
{
    static const char prefix[] = "airlock-", probe[] = "probe-";
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    name += sizeof prefix - 1;
    if (strncmp(name, probe, sizeof probe - 1) == 0)
        name += sizeof probe - 1;
    long pid = strtol(name, &end, 10);
    return pid > 0 && pid < INT32_MAX && (*end == '-' || *end == '\0') &&
           (pid == (long)getpid() || (kill((pid_t)pid, 0) < 0 && errno == ESRCH));
}

static void bury_groups(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;) {
        if (is_of_the_dead(de->d_name))
            unlinkat(dirfd(d), de->d_name, AT_REMOVEDIR); /* fails where a process is left */
    }
    if (d != NULL)
        closedir(d);
}

/* Once, before the first group of this process is made. */
static void bury_all(const struct cgroup_place *where)
{
    static bool done;
    if (done)
        return;
    done = true;
    for (int i = 0; i < CGROUP_PARTS; i++)
        if (where->dir[i] != NULL)
            bury_groups(where->dir[i]);
    if (where->unified != NULL)
        bury_groups(where->unified);
}

static int make_dirs(struct cgroup *g, const struct cgroup_place *where, const char *name,
                     struct err *e)
{
    for (int i = 0; i < CGROUP_PARTS; i++) {
        if (where->dir[i] == NULL)
            continue;
        g->dir[i] = path_join(where->dir[i], name);
        if (is_first_dir(g, i) && mkdir(g->dir[i], 0755) < 0)
            return err_sys(e, ERR_IO, "control group %s", g->dir[i]);
    }
    if (where->unified != NULL) {
        g->unified = path_join(where->unified, name);
        if (mkdir(g->unified, 0755) < 0) { /* only a quicker way to kill */
            free(g->unified);
            g->unified = NULL;
        }
    }
    return 0;
}

static struct cgroup *new_group(int version)
{
    struct cgroup *g = xcalloc(1, sizeof *g);
    g->version = version;
    for (int i = 0; i < COUNTERS; i++)
        g->counter[i] = -1;
    return g;
}

int cgroup_new(struct cgroup **out, const struct cgroup_place *where, const char *name,
               const struct cgroup_limits *limits, struct err *e)
{
    if (where->version == 0)
        return err_set(e, ERR_MISSING, "no control group can be made here");
    struct cgroup *g = new_group(where->version);
    g->ours = true;
    bury_all(where);
    int rc = make_dirs(g, where, name, e);
    for (int i = 0; rc == 0 && i < CGROUP_PARTS; i++) {
        if (g->dir[i] == NULL)
            continue;
        if (set_limit(g, (enum cgroup_part)i, limits) < 0)
            rc = err_sys(e, ERR_IO, "control group %s: its limit can't be set", g->dir[i]);
        else
            g->has |= 1u << i;
    }
    if (rc < 0) {
        (void)cgroup_remove(g);
        cgroup_free(g);
        return -1;
    }
    *out = g;
    return 0;
}

int cgroup_adopt(struct cgroup **out, const char *root, const char *path, struct err *e)
{
    char text[SMALL_FILE];
    char *dir = xasprintf("%s%s", root, path);
    if (read_file(dir, "cgroup.procs", text) < 0) {
        int rc = err_sys(e, ERR_IO, "control group %s", dir);
        free(dir);
        return rc;
    }
    struct cgroup *g = new_group(2);
    static const char *const files[CGROUP_PARTS] = { "memory.max", "pids.max", "cpu.max" };
    for (int i = 0; i < CGROUP_PARTS; i++) {
        g->dir[i] = xstrdup(dir);
        if (read_number(dir, files[i]) > 0) /* "max" reads as 0 */
            g->has |= 1u << i;
    }
    free(dir);
    *out = g;
    return 0;
}

int cgroup_add(struct cgroup *g, pid_t pid, struct err *e)
{
    for (int i = 0; i < CGROUP_PARTS; i++)
        if (g->dir[i] != NULL && is_first_dir(g, i) &&
            write_number(g->dir[i], "cgroup.procs", pid) < 0)
            return err_sys(e, ERR_IO, "control group %s: can't take process %ld in", g->dir[i],
                           (long)pid);
    if (g->unified != NULL)
        (void)write_number(g->unified, "cgroup.procs", pid);
    return 0;
}

unsigned cgroup_has(const struct cgroup *g)
{
    return g != NULL ? g->has : 0;
}

static int64_t read_counter(struct cgroup *g, enum counter which)
{
    static const struct {
        enum cgroup_part part;
        const char *file[2], *key; /* of v1 and v2 */
    } at[COUNTERS] = {
        [OOM_KILLS] = { CGROUP_MEMORY, { "memory.oom_control", "memory.events" }, "oom_kill" },
        [PIDS_REFUSED] = { CGROUP_PIDS, { "pids.events", "pids.events" }, "max" },
        [MEMORY_USED] = { CGROUP_MEMORY, { "memory.usage_in_bytes", "memory.current" }, "" },
    };
    char text[SMALL_FILE];
    if (g == NULL || g->dir[at[which].part] == NULL)
        return -1;
    int *fd = &g->counter[which];
    if (*fd < 0)
        *fd = open_file(g->dir[at[which].part], at[which].file[g->version - 1]);
    return read_all(*fd, text) == 0 ? find_number(text, at[which].key) : -1;
}

int64_t cgroup_oom_kills(struct cgroup *g)
{
    return read_counter(g, OOM_KILLS);
}

int64_t cgroup_pids_refused(struct cgroup *g)
{
    return read_counter(g, PIDS_REFUSED);
}

int64_t cgroup_memory_bytes(struct cgroup *g)
{
    return read_counter(g, MEMORY_USED);
}

void cgroup_kill(struct cgroup *g)
{
    if (g == NULL)
        return;
    if (g->unified != NULL)
        (void)write_file(g->unified, "cgroup.kill", "1");
    else if (g->version == 2 && g->dir[0] != NULL)
        (void)write_file(g->dir[0], "cgroup.kill", "1");
}

bool cgroup_remove(struct cgroup *g)
{
    bool gone = true;
    if (g == NULL || !g->ours)
        return true;
    for (int i = 0; i < CGROUP_PARTS; i++)
        if (g->dir[i] != NULL && is_first_dir(g, i) && rmdir(g->dir[i]) < 0 && errno != ENOENT)
            gone = false;
    if (g->unified != NULL && rmdir(g->unified) < 0 && errno != ENOENT)
        gone = false;
    return gone;
}

void cgroup_free(struct cgroup *g)
{
    if (g == NULL)
        return;
    for (int i = 0; i < CGROUP_PARTS; i++)
        free(g->dir[i]);
    for (int i = 0; i < COUNTERS; i++)
        if (g->counter[i] >= 0)
            close(g->counter[i]);
    free(g->unified);
    free(g);
}
