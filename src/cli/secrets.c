/* secrets.c - one page that stays out of core dumps and of forked children. */
#include "cli/secrets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define VALUE_MAX 1024 /* a longer one is no key: it is cut, and refused where it is used */
#define PAGE      4096

static const char *const keys[] = { "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN" };
/* What may be set besides, and is no secret. */
static const char *const plain[] = { "ANTHROPIC_BASE_URL", "ANTHROPIC_VERSION" };

static char (*values)[VALUE_MAX]; /* as many as keys; "" not set */

_Static_assert(ARRAY_LEN(keys) * VALUE_MAX <= PAGE, "the page holds every key");

void secrets_take(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    INVARIANT(page != MAP_FAILED);
    (void)madvise(page, PAGE, MADV_DONTDUMP);
    (void)madvise(page, PAGE, MADV_DONTFORK);
    values = page;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char *v = getenv(keys[i]);
        if (v == NULL)
            continue;
        size_t len = strlen(v), keep = len < VALUE_MAX ? len : VALUE_MAX - 1;
        memcpy(values[i], v, keep);
        if (keep > 0 && values[i][keep - 1] == '\n') /* one, as `$(cat key)` would take it */
            values[i][keep - 1] = '\0';
        explicit_bzero(v, len);
        unsetenv(keys[i]);
    }
}

const char *secrets_setting(void *arg, const char *name)
{
    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i], name) == 0)
            return values != NULL && values[i][0] != '\0' ? values[i] : NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (strcmp(plain[i], name) == 0)
            return getenv(name);
    }
    return NULL;
}

void secrets_add_to(struct redact *r)
{
    for (size_t i = 0; values != NULL && i < ARRAY_LEN(keys); i++) {
        if (values[i][0] != '\0')
            (void)!redact_add(r, keys[i], values[i], strlen(values[i]), NULL);
    }
}
