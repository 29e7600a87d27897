/* probe_files.c - the host's files: canaries with a secret in them, and places where a file of the
 * sandbox must not appear. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/sha256.h"
#include "tool/probe_int.h"

#define CANARIES 4
#define RUN_US   INT64_C(60000000)

struct canary {
    char *path;
    struct stat before;
};

struct files {
    struct probe *p;
    char secret[PROBE_NONCE], content[96];
    struct canary canaries[CANARIES];
    size_t count;
};

static const char *const places[] = { "/", "/tmp", "/var/tmp", "/usr", "/etc", "/dev/shm" };

static void plant(struct files *f, const char *dir)
{
    char name[64];
    if (dir == NULL || dir[0] != '/' || f->count == CANARIES)
        return;
    snprintf(name, sizeof name, ".airlock-canary-%s-%zu", f->p->nonce, f->count);
    struct canary *c = &f->canaries[f->count];
    c->path = path_join(dir, name);
    int fd = open(c->path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || write_all_fd(fd, f->content, strlen(f->content)) < 0 ||
        fstat(fd, &c->before) < 0) {
        if (fd >= 0)
            unlink(c->path);
        free(c->path);
    } else {
        f->count++;
    }
    if (fd >= 0)
        close(fd);
}

static void plant_all(struct files *f)
{
    uint8_t random[(PROBE_NONCE - 1) / 2];
    char *home = getenv("HOME"), *cwd = getcwd(NULL, 0);
    char *cache = home != NULL ? path_join(home, ".cache") : NULL;
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, f->secret);
    snprintf(f->content, sizeof f->content, "airlock canary %s\n", f->secret);
    plant(f, home);
    plant(f, cache);
    plant(f, "/tmp");
    plant(f, cwd);
    free(cache);
    free(cwd);
}

static bool is_untouched(const struct files *f, const struct canary *c)
{
    struct stat now;
    char read_back[sizeof f->content] = "";
    int fd = open(c->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool same = fd >= 0 && fstat(fd, &now) == 0 && read(fd, read_back, sizeof read_back - 1) >= 0 &&
                strcmp(read_back, f->content) == 0 && now.st_ino == c->before.st_ino &&
                now.st_size == c->before.st_size &&
                now.st_mtim.tv_nsec == c->before.st_mtim.tv_nsec &&
                now.st_ctim.tv_nsec == c->before.st_ctim.tv_nsec;
    if (fd >= 0)
        close(fd);
    return same;
}

static void write_question(const struct files *f, struct buf *out)
{
    struct json_w w;
    const char *home = getenv("HOME");
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "nonce", f->p->nonce);
    json_w_array(&w, "canaries");
    for (size_t i = 0; i < f->count; i++)
        json_w_str(&w, NULL, f->canaries[i].path);
    json_w_close_array(&w);
    json_w_array(&w, "directories");
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        json_w_str(&w, NULL, places[i]);
    if (home != NULL)
        json_w_str(&w, NULL, home);
    json_w_close_array(&w);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
}

/* What the inside made, seen from here; and away with it. */
static bool appeared(const struct files *f, const char *dir)
{
    char name[64];
    struct stat st;
    snprintf(name, sizeof name, "sbx-%s", f->p->nonce);
    char *path = path_join(dir, name);
    bool there = lstat(path, &st) == 0;
    if (there)
        unlink(path);
    free(path);
    return there;
}

static void judge_row(const struct files *f, const struct json *row)
{
    static const char made[] = "create in ";
    const char *what = json_get_str(row, "what", "?"), *got = json_get_str(row, "got", "?");
    bool leaked = strstr(got, f->secret) != NULL;
    bool wrote = strncmp(got, "opened", 6) == 0;
    if (strncmp(what, made, sizeof made - 1) == 0) {
        bool there = appeared(f, what + sizeof made - 1);
        probe_add(f->p, there ? PROBE_FAIL : PROBE_PASS, what, got, "%s",
                  there ? "the file is on the host" : "not on the host");
        return;
    }
    probe_add(f->p, leaked || wrote ? PROBE_FAIL : PROBE_PASS, what,
              leaked ? "read the canary" : got, "%s", leaked ? "its secret came out" : "");
}

static void judge(struct files *f, struct probe_box *b)
{
    struct json *answer = probe_answer(b, "look for the canaries");
    const struct json *rows = json_get(answer, "rows");
    for (const struct json *row = json_first(rows); row != NULL; row = json_next(row))
        judge_row(f, row);
    for (size_t i = 0; i < f->count; i++) {
        if (!is_untouched(f, &f->canaries[i]))
            probe_add(f->p, PROBE_FAIL, f->canaries[i].path, "", "the canary was changed");
    }
    json_free(answer);
}

void probe_files(struct probe *p)
{
    struct files f = { .p = p };
    struct probe_box b;
    struct buf question = BUF_INIT(64 << 10);
    plant_all(&f);
    write_question(&f, &question);
    if (f.count == 0) {
        probe_add(p, PROBE_UNPROVED, "plant canaries", "", "no directory of the host is writable");
    } else if (probe_box_open(&b, p, p->cfg->contract) == 0) {
        if (probe_box_run(&b, probe_script("filesystem"), buf_str(&question), RUN_US) == 0)
            judge(&f, &b);
        else
            probe_add(p, PROBE_UNPROVED, "look for the canaries", b.message, "the run did not end");
        probe_box_close(&b);
    }
    for (size_t i = 0; i < f.count; i++) {
        unlink(f.canaries[i].path);
        free(f.canaries[i].path);
    }
    buf_release(&question);
}
