/* local_start.c - prepares descriptors, mounts and limits of one sandbox and starts bubblewrap. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "providers/sandboxes/local.h"
#include "providers/sandboxes/local_args.h"
#include "providers/sandboxes/local_mount.h"
#include "providers/sandboxes/local_proof.h"
#include "providers/sandboxes/local_scope.h"
#include "providers/sandboxes/local_seccomp.h"
#include "providers/sandboxes/local_start.h"

/* Numbers of the descriptors in bwrap's process. */
enum { CHILD_ARGS = 3, CHILD_SECCOMP, CHILD_STATUS, CHILD_BLOCK, CHILD_NET, CHILD_FIRST_FREE };

#define DATA_MAX 24

/* Everything that is needed until bwrap runs, and closed then. */
struct preparation {
    const struct wall_config *cfg;
    int guest_net; /* borrowed; -1 none */
    struct proc_spec spec;
    int next_child_fd;
    int to_close[PROC_FDS_MAX + PROC_MOUNTS_MAX];
    size_t to_close_count;
    struct local_data data[DATA_MAX];
    size_t data_count;
    struct local_mount_arg mounts[CONTRACT_MOUNTS_MAX];
    char mount_from[CONTRACT_MOUNTS_MAX][sizeof PROC_MOUNT_DIR + 8];
    size_t mount_count;
};

/* ---- facts about the machine ---- */

const char *local_bwrap_path(struct err *e)
{
    static char *path;
    struct stat st;
    if (path == NULL && proc_resolve("bwrap", &path, e) < 0) {
        err_set(
            e, ERR_MISSING,
            "local sandbox: bubblewrap is not installed. Install it: apt-get install bubblewrap "
            "(dnf, pacman: the same name)");
        return NULL;
    }
    if (stat(path, &st) < 0) {
        err_sys(e, ERR_MISSING, "local sandbox: %s", path);
        return NULL;
    }
    if ((st.st_mode & (S_ISUID | S_ISGID)) != 0) {
        err_set(
            e, ERR_DENIED,
            "local sandbox: %s is setuid, so it would run as root. Remove the bit (chmod u-s %s) "
            "and allow user namespaces instead",
            path, path);
        return NULL;
    }
    return path;
}

const struct cgroup_place *local_cgroup_place(void)
{
    static struct cgroup_place place;
    static bool known;
    struct buf self = BUF_INIT(64u << 10);
    if (!known && path_read_file("/proc/self/cgroup", &self, NULL) == 0) {
        cgroup_find(&place, CGROUP_ROOT, buf_str(&self));
        cgroup_sweep(&place);
    }
    known = true;
    buf_release(&self);
    return &place;
}

bool local_limits_by_group(enum cgroup_part part)
{
    return local_cgroup_place()->dir[part] != NULL || (local_scope_limits(NULL) & 1u << part) != 0;
}

static const struct local_machine *machine(void)
{
    static struct local_machine m;
    static bool known;
    if (!known)
        local_machine_look(&m);
    known = true;
    return &m;
}

/* ---- descriptors ---- */

static int remember(struct preparation *p, int fd)
{
    INVARIANT(p->to_close_count < ARRAY_LEN(p->to_close));
    p->to_close[p->to_close_count++] = fd;
    return fd;
}

/* Hand `fd` (closed after the start) to bwrap under the number `child`. */
static int give(struct preparation *p, int fd, int child, struct err *e)
{
    if (p->spec.fd_count == PROC_FDS_MAX)
        return err_set(e, ERR_LIMIT, "local sandbox: too many files and mounts for one start");
    p->spec.fds[p->spec.fd_count++] = (struct proc_fd){ .ours = fd, .child = child };
    return 0;
}

static int give_new(struct preparation *p, int fd, int child, const char *what, struct err *e)
{
    if (fd < 0)
        return err_sys(e, ERR_IO, "local sandbox: %s", what);
    return give(p, remember(p, fd), child, e);
}

/* A memfd with these bytes, read from the start by whoever gets it. */
static int memory_file(const char *name, const void *ptr, size_t len)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    if (write_all_fd(fd, ptr, len) < 0 || lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* A pipe that bwrap writes to; returns our end, or -1. */
static int pipe_from(struct preparation *p, int child, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, ERR_IO, "local sandbox: pipe");
    set_nonblocking(ends[0]);
    if (give_new(p, ends[1], child, "pipe", e) < 0) {
        close(ends[0]);
        return -1;
    }
    return ends[0];
}

/* A socket that bwrap reads from (a pipe would raise SIGPIPE when it is dead already). */
static int socket_to(struct preparation *p, int child, struct err *e)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_sys(e, ERR_IO, "local sandbox: socketpair");
    if (give_new(p, ends[1], child, "socketpair", e) < 0) {
        close(ends[0]);
        return -1;
    }
    return ends[0];
}

/* What the guest may send ahead while the record waits for the disk; less where the system caps it.
 */
#define STREAM_ROOM (2 << 20)

static int stream_pair(struct preparation *p, int *ours, struct err *e)
{
    int ends[2], room = STREAM_ROOM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_sys(e, ERR_IO, "local sandbox: socketpair");
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    set_nonblocking(ends[0]);
    *ours = ends[0];
    if (give_new(p, ends[1], 0, "socketpair", e) < 0)
        return -1;
    return give(p, ends[1], 1, e);
}

static int add_data(struct preparation *p, const char *path, uint32_t mode, const void *ptr,
                    size_t len, struct err *e)
{
    if (p->data_count == DATA_MAX)
        return err_set(e, ERR_LIMIT, "local sandbox: more than %d files to put inside", DATA_MAX);
    int child = p->next_child_fd++;
    p->data[p->data_count++] = (struct local_data){ .fd = child, .mode = mode, .path = path };
    return give_new(p, memory_file("data", ptr, len), child, path, e);
}

static int add_files(struct preparation *p, struct err *e)
{
    static const char passwd[] = "root:x:0:0::/:/usr/sbin/nologin\n"
                                 "sandbox:x:1000:1000::/workspace:/bin/bash\n"
                                 "nobody:x:65534:65534::/:/usr/sbin/nologin\n";
    static const char group[] = "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n";
    static const char hosts[] = "127.0.0.1 localhost sandbox\n::1 localhost\n";
    int rc = add_data(p, "/etc/passwd", 0444, passwd, sizeof passwd - 1, e);
    if (rc == 0)
        rc = add_data(p, "/etc/group", 0444, group, sizeof group - 1, e);
    if (rc == 0 && p->cfg->contract->network != NETWORK_OPEN)
        rc = add_data(p, "/etc/hosts", 0444, hosts, sizeof hosts - 1, e);
    for (size_t i = 0; rc == 0 && i < p->cfg->file_count; i++) {
        const struct wall_file *f = &p->cfg->files[i];
        rc = add_data(p, f->path, f->mode, f->ptr, f->len, e);
    }
    return rc;
}

/* ---- mounts ---- */

static char *kept_private[3];

void local_keep_private(const char *dir)
{
    size_t at = 0;
    while (at < ARRAY_LEN(kept_private) - 1 && kept_private[at] != NULL &&
           strcmp(kept_private[at], dir) != 0)
        at++;
    free(kept_private[at]);
    kept_private[at] = xstrdup(dir);
}

static int add_mount_as_root(struct preparation *p, int fd, struct local_mount_arg *m,
                             struct err *e)
{
    uid_t uid = launcher_sandbox_uid(p->cfg->launcher);
    int tree;
    if (local_mount_detach(p->cfg->launcher, fd, m->to, m->writable, uid, (gid_t)uid, &tree, e) < 0)
        return -1;
    remember(p, tree);
    size_t n = p->spec.mount_count++;
    p->spec.mounts[n] = tree;
    snprintf(p->mount_from[n], sizeof p->mount_from[n], "%s/%zu", PROC_MOUNT_DIR, n);
    m->from = p->mount_from[n];
    m->fd = -1;
    return 0;
}

static int add_mount(struct preparation *p, const struct contract_mount *wanted,
                     const struct local_private *own, struct err *e)
{
    struct local_mount_arg *m = &p->mounts[p->mount_count];
    int fd;
    if (local_mount_open(wanted->path, own, &fd, e) < 0)
        return -1;
    remember(p, fd);
    m->to = wanted->path;
    m->writable = wanted->writable;
    int rc;
    if (geteuid() == 0) {
        rc = add_mount_as_root(p, fd, m, e);
    } else {
        m->fd = p->next_child_fd++;
        rc = give(p, fd, m->fd, e);
    }
    if (rc == 0)
        p->mount_count++;
    return rc;
}

static int add_mounts(struct preparation *p, struct err *e)
{
    const struct contract *c = p->cfg->contract;
    struct paths dirs;
    if (c->mount_count == 0)
        return 0;
    if (paths_init(&dirs, NULL, NULL, e) < 0)
        return -1;
    struct local_private own = { .home = getenv("HOME"),
                                 .dirs = { dirs.config_file, dirs.data_dir, dirs.state_dir,
                                           dirs.runtime_dir, kept_private[0], kept_private[1],
                                           kept_private[2] } };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->mount_count; i++)
        rc = add_mount(p, &c->mounts[i], &own, e);
    paths_release(&dirs);
    return rc;
}

/* ---- the list, the filter, the group ---- */

static int add_filter(struct preparation *p, struct err *e)
{
    struct buf program = BUF_INIT(64u << 10);
    int rc = local_seccomp_program(&program, e);
    if (rc == 0)
        rc = give_new(p, memory_file("filter", program.ptr, program.len), CHILD_SECCOMP, "filter",
                      e);
    buf_release(&program);
    return rc;
}

static int add_list(struct preparation *p, struct err *e)
{
    struct buf list = BUF_INIT(LOCAL_ARGS_MAX);
    struct local_args args = { .contract = p->cfg->contract,
                               .machine = machine(),
                               .data = p->data,
                               .data_count = p->data_count,
                               .mounts = p->mounts,
                               .mount_count = p->mount_count,
                               .seccomp_fd = CHILD_SECCOMP,
                               .status_fd = CHILD_STATUS,
                               .block_fd = CHILD_BLOCK };
    int rc = local_args_build(&list, &args, e);
    if (rc == 0)
        rc = give_new(p, memory_file("args", list.ptr, list.len), CHILD_ARGS, "argument list", e);
    buf_release(&list);
    return rc;
}

static int make_group(struct local_start *s, const struct contract *c, struct err *e)
{
    static unsigned serial;
    char name[64];
    const struct cgroup_place *place = local_cgroup_place();
    struct cgroup_limits limits = { .memory_bytes = c->memory_mib << 20,
                                    .pids = c->pids,
                                    .cpus = c->cpu };
    if (place->version == 0)
        return 0;
    snprintf(name, sizeof name, CGROUP_NAME_PREFIX "%ld-%u", (long)getpid(), ++serial);
    return cgroup_new(&s->group, place, name, &limits, e);
}

static int start_bwrap(struct preparation *p, struct local_start *s, struct err *e)
{
    char args_fd[16], net_fd[16];
    struct local_scope scope;
    const char *bwrap = local_bwrap_path(e);
    if (bwrap == NULL)
        return -1;
    snprintf(args_fd, sizeof args_fd, "%d", CHILD_ARGS);
    snprintf(net_fd, sizeof net_fd, "%d", CHILD_NET);
    const char *const argv[] = { bwrap, "--args",      args_fd,
                                 "--",  p->cfg->guest, p->guest_net >= 0 ? net_fd : NULL,
                                 NULL };
    const char *const envp[] = { NULL };
    p->spec.path = bwrap;
    p->spec.argv = argv;
    p->spec.envp = envp;
    p->spec.drop_root = true;
    p->spec.kill_on_death = true;
    p->spec.new_session = true;
    s->scoped = s->group == NULL && local_scope_limits(p->cfg->launcher) != 0;
    if (!s->scoped)
        return proc_spawn(p->cfg->launcher, &p->spec, &s->outer, e);
    local_scope_init(&scope, p->cfg->contract, argv);
    p->spec.path = scope.path;
    p->spec.argv = scope.argv;
    p->spec.envp = (const char *const *)scope.env;
    int rc = proc_spawn(p->cfg->launcher, &p->spec, &s->outer, e);
    local_scope_release(&scope);
    return rc;
}

static int prepare(struct preparation *p, struct local_start *s, struct err *e)
{
    if (add_mounts(p, e) < 0 || add_files(p, e) < 0 || add_filter(p, e) < 0 || add_list(p, e) < 0)
        return -1;
    if (stream_pair(p, &s->stream, e) < 0 || (s->log = pipe_from(p, 2, e)) < 0 ||
        (s->status = pipe_from(p, CHILD_STATUS, e)) < 0 ||
        (s->block = socket_to(p, CHILD_BLOCK, e)) < 0)
        return -1;
    if (p->guest_net >= 0 && give(p, p->guest_net, CHILD_NET, e) < 0)
        return -1;
    return make_group(s, p->cfg->contract, e);
}

static void close_if(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Behind the first start of this process, so that it keeps nobody waiting. */
static void sweep_once(const struct wall_config *cfg)
{
    static bool done;
    if (!done)
        proof_sweep(cfg->launcher, cfg->guest);
    done = true;
}

int local_start(struct local_start *out, const struct wall_config *cfg, int guest_net,
                struct err *e)
{
    struct local_start s = { .stream = -1, .log = -1, .status = -1, .block = -1 };
    struct preparation *p = xcalloc(1, sizeof *p);
    p->cfg = cfg;
    p->guest_net = guest_net;
    p->next_child_fd = CHILD_FIRST_FREE;
    int rc = prepare(p, &s, e);
    if (rc == 0)
        rc = start_bwrap(p, &s, e);
    if (rc == 0)
        sweep_once(cfg);
    else if (launcher_is_gone(cfg->launcher))
        proof_sweep_here(cfg->guest);
    for (size_t i = 0; i < p->to_close_count; i++)
        close(p->to_close[i]);
    free(p);
    if (rc < 0) {
        close_if(s.stream);
        close_if(s.log);
        close_if(s.status);
        close_if(s.block);
        (void)cgroup_remove(s.group);
        cgroup_free(s.group);
        return -1;
    }
    *out = s;
    return 0;
}
