/* fuzz_policy.c - a policy file allows exactly the pairs that a reader of its own finds in it, and
 * a file with one bad line allows nothing.
 *
 * Input: the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "tool/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static void take_away(void)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

static char *file(void)
{
    char dir[] = "/tmp/airlock-fuzz.XXXXXX";
    if (path[0] == '\0') {
        INVARIANT(mkdtemp(dir) != NULL);
        snprintf(path, sizeof path, "%s/policy", dir);
        INVARIANT(atexit(take_away) == 0);
    }
    return path;
}

static void put_file(const uint8_t *data, size_t size)
{
    FILE *f = fopen(file(), "wb");
    INVARIANT(f != NULL && fwrite(data, 1, size, f) == size && fclose(f) == 0);
    INVARIANT(chmod(file(), 0600) == 0);
}

/* ---- the other reader: words of a line, what stands behind # gone ---- */

enum { MAX_PAIRS = 256 };
static char found[MAX_PAIRS][2][65];

static bool is_hex(const char *w)
{
    return strlen(w) == 64 && strspn(w, "0123456789abcdef") == 64;
}

/* Number of pairs, -1: a line that is none. */
static int read_other(char *text)
{
    int pairs = 0;
    for (char *line = text, *next; line != NULL; line = next) {
        char *words[5] = { NULL }, *save = NULL;
        size_t n = 0, len;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        len = strlen(line);
        if (len > 0 && line[len - 1] == '\r')
            line[len - 1] = '\0';
        line[strcspn(line, "#")] = '\0';
        for (char *w = strtok_r(line, " \t", &save); w != NULL && n < 5;
             w = strtok_r(NULL, " \t", &save))
            words[n++] = w;
        if (n == 0)
            continue;
        if (n != 3 || strcmp(words[0], "allow") != 0 || !is_hex(words[1]) || !is_hex(words[2]))
            return -1;
        if (pairs < MAX_PAIRS) {
            memcpy(found[pairs][0], words[1], 65);
            memcpy(found[pairs][1], words[2], 65);
        }
        pairs++;
    }
    return pairs;
}

static void check_pairs(const struct policy *p, int pairs)
{
    uint8_t a[SHA256_LEN], b[SHA256_LEN];
    for (int i = 0; i < pairs && i < MAX_PAIRS; i++) {
        INVARIANT(hex_decode(found[i][0], 64, a) == 0 && hex_decode(found[i][1], 64, b) == 0);
        INVARIANT(policy_allows(p, a, b));
        a[i % SHA256_LEN] ^= 1;
        bool other = false;
        char hex[SHA256_HEX_LEN + 1];
        hex_encode(a, sizeof a, hex);
        for (int k = 0; k < pairs && k < MAX_PAIRS; k++)
            other =
                other || (strcmp(found[k][0], hex) == 0 && strcmp(found[k][1], found[i][1]) == 0);
        INVARIANT(other || !policy_allows(p, a, b));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy *p = NULL;
    struct err e = ERR_INIT;
    put_file(data, size);
    int rc = policy_load(&p, file(), &e);
    char *text = xmemdup(data, size);
    /* A NUL ends the other reader's text; it belongs into no word either. */
    int pairs = memchr(data, 0, size) != NULL ? -2 : read_other(text);
    if (rc == 0) {
        INVARIANT(pairs == -2 || pairs >= 0);
        if (pairs >= 0)
            check_pairs(p, pairs);
    } else {
        INVARIANT(p == NULL && pairs < 0 && e.code == ERR_FORMAT);
        INVARIANT(strncmp(e.msg, file(), strlen(file())) == 0);
    }
    policy_free(p);
    free(text);
    return 0;
}
