/* policy.c - reading the user's policy file with care, and looking pairs up in it. */
#include "tool/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/path.h"

#define POLICY_BYTES_MAX ((size_t)64 << 10) /* [SEC-2] */

struct pair {
    uint8_t contract[SHA256_LEN], code_key[SHA256_LEN];
};

struct policy {
    struct pair *pairs;
    size_t count;
    char digest_hex[SHA256_HEX_LEN + 1];
};

/* ---- where it may lie ---- */

/* Is `dir` this directory or inside it? Both are resolved. The root is no project. */
static bool is_within(const char *dir, const char *top)
{
    size_t n = strlen(top);
    return n > 1 && strncmp(dir, top, n) == 0 && (dir[n] == '/' || dir[n] == '\0');
}

/* Who may write to a directory on the way may put another file there; in sticky ones they may not.
 */
static int check_parents(char *dir, struct err *e)
{
    struct stat st;
    for (;;) {
        if (lstat(dir[0] != '\0' ? dir : "/", &st) < 0)
            return err_sys(e, ERR_IO, "looking at %s", dir);
        if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
            ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0))
            return err_set(e, ERR_DENIED,
                           "others can write to %s, so a policy file in it is not trusted: chmod "
                           "go-w it, or keep the file elsewhere",
                           dir);
        if (dir[0] == '\0')
            return 0;
        *strrchr(dir, '/') = '\0';
    }
}

static int check_place(const char *path, char *dir, struct err *e)
{
    char *cwd = realpath(".", NULL);
    int rc = 0;
    if (cwd == NULL)
        rc = err_sys(e, ERR_IO, "resolving the current directory");
    else if (is_within(dir, cwd))
        rc = err_set(e, ERR_DENIED,
                     "policy file %s lies below the current directory, where a project could have "
                     "put it: keep it in your configuration directory, or start from elsewhere",
                     path);
    else
        rc = check_parents(strcmp(dir, "/") == 0 ? dir + 1 : dir, e);
    free(cwd);
    return rc;
}

/* The path with its directories resolved, so that what was looked at is what is opened; the file's
 * own name is not, since it may be no link. Caller frees. */
static int find_file(const char *path, char **out, struct err *e)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL   ? xstrdup(".")
                   : slash == path ? xstrdup("/")
                                   : xmemdup(path, (size_t)(slash - path));
    char *dir = realpath(parent, NULL);
    free(parent);
    if (dir == NULL)
        return err_sys(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "policy file %s", path);
    char *full = path_join(dir, slash != NULL ? slash + 1 : path);
    int rc = check_place(path, dir, e);
    free(dir);
    if (rc < 0)
        free(full);
    else
        *out = full;
    return rc;
}

/* ---- what it says ---- */

static int take_word(const char **at, const char *end, const char **word, size_t *len)
{
    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
    *word = *at;
    while (*at < end && **at != ' ' && **at != '\t' && **at != '#')
        (*at)++;
    *len = (size_t)(*at - *word);
    return *len > 0 ? 0 : -1;
}

static int take_hex(const char **at, const char *end, uint8_t out[SHA256_LEN])
{
    const char *word;
    size_t len;
    if (take_word(at, end, &word, &len) < 0 || len != SHA256_HEX_LEN)
        return -1;
    return hex_decode(word, len, out);
}

static int parse_line(struct policy *p, const char *at, const char *end, struct err *e)
{
    struct pair pair;
    const char *word;
    size_t len;
    if (end > at && end[-1] == '\r')
        end--;
    if (take_word(&at, end, &word, &len) < 0)
        return 0;
    if (len != 5 || memcmp(word, "allow", 5) != 0)
        return err_set(e, ERR_FORMAT, "it begins with neither `allow` nor #");
    if (take_hex(&at, end, pair.contract) < 0 || take_hex(&at, end, pair.code_key) < 0)
        return err_set(e, ERR_FORMAT,
                       "after `allow` stand the contract's digest and the code key, 64 lower-case "
                       "hex digits each");
    if (take_word(&at, end, &word, &len) == 0)
        return err_set(e, ERR_FORMAT, "`%.*s` has no meaning there", len < 20 ? (int)len : 20,
                       word);
    p->pairs = xreallocarray(p->pairs, p->count + 1, sizeof *p->pairs);
    p->pairs[p->count++] = pair;
    return 0;
}

static int parse(struct policy *p, const char *path, const char *text, size_t len, struct err *e)
{
    const char *end = text + len;
    size_t line = 0;
    while (text < end) {
        const char *nl = memchr(text, '\n', (size_t)(end - text));
        const char *stop = nl != NULL ? nl : end;
        line++;
        if (parse_line(p, text, stop, e) < 0)
            return err_wrap(e, "%s:%zu", path, line);
        text = stop + (nl != NULL);
    }
    return 0;
}

int policy_load(struct policy **out, const char *path, struct err *e)
{
    struct buf text = BUF_INIT(POLICY_BYTES_MAX);
    uint8_t digest[SHA256_LEN];
    char *full = NULL;
    if (find_file(path, &full, e) < 0)
        return -1;
    int got = path_read_private(full, &text, e);
    free(full);
    if (got < 0) {
        buf_release(&text);
        return err_wrap(e, "policy file");
    }
    struct policy *p = xcalloc(1, sizeof *p);
    int rc = parse(p, path, buf_str(&text), text.len, e);
    sha256_once(buf_str(&text), text.len, digest);
    hex_encode(digest, sizeof digest, p->digest_hex);
    buf_release(&text);
    if (rc < 0)
        policy_free(p);
    else
        *out = p;
    return rc;
}

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    free(p->pairs);
    free(p);
}

bool policy_allows(const struct policy *p, const uint8_t contract[SHA256_LEN],
                   const uint8_t code_key[SHA256_LEN])
{
    for (size_t i = 0; p != NULL && i < p->count; i++) {
        if (memcmp(p->pairs[i].contract, contract, SHA256_LEN) == 0 &&
            memcmp(p->pairs[i].code_key, code_key, SHA256_LEN) == 0)
            return true;
    }
    return false;
}

const char *policy_digest_hex(const struct policy *p)
{
    return p->digest_hex;
}
