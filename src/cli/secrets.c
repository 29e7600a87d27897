/* secrets.c - pages that stay out of core dumps and of forked children. */
#include "cli/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "base/http.h"

#define VALUE_MAX 4096 /* a longer one is no key: it is cut, and refused where it is used */

static const char *const keys[] = { "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY",
                                    "ANTHROPIC_CUSTOM_HEADERS", "E2B_API_KEY" };
/* What may be set besides, and is no secret. */
static const char *const plain[] = { "ANTHROPIC_BASE_URL", "ANTHROPIC_VERSION", "OPENAI_BASE_URL",
                                     "OPENAI_ORG_ID",      "OPENAI_PROJECT_ID", "E2B_DOMAIN",
                                     "E2B_API_URL",        "E2B_SANDBOX_URL",   "E2B_DEBUG",
                                     "E2B_IDLE_MS",        "E2B_SEEK_MS",       "CLAUDE_IDLE_MS",
                                     "CLAUDE_SEEK_MS",     "CLAUDE_PATIENCE_MS" };

static char (*values)[VALUE_MAX]; /* as many as keys; "" not set */

void secrets_take(void)
{
    size_t size = ARRAY_LEN(keys) * VALUE_MAX;
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    INVARIANT(pages != MAP_FAILED);
    (void)madvise(pages, size, MADV_DONTDUMP);
    (void)madvise(pages, size, MADV_DONTFORK);
    values = pages;
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

void secrets_put(const char *name, const char *value, size_t len)
{
    INVARIANT(values != NULL && len < VALUE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i], name) == 0) {
            memcpy(values[i], value, len);
            values[i][len] = '\0';
        }
    }
}

/* Of "Name: value" lines, the values that are keys; "Bearer " is none of them. */
static void add_lines(struct redact *r, const char *name, const char *lines)
{
    struct http_line line;
    char header[HTTP_NAME_MAX + 1];
    while (http_next_line(&lines, &line)) {
        size_t scheme = line.value_len > 7 && strncasecmp(line.value, "Bearer ", 7) == 0 ? 7 : 0;
        snprintf(header, sizeof header, "%.*s", (int)line.name_len, line.name);
        if (line.name_len < sizeof header && http_is_secret_name(header))
            (void)!redact_add(r, name, line.value + scheme, line.value_len - scheme, NULL);
    }
}

void secrets_add_to(struct redact *r)
{
    for (size_t i = 0; values != NULL && i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i], "ANTHROPIC_CUSTOM_HEADERS") == 0)
            add_lines(r, keys[i], values[i]);
        else if (values[i][0] != '\0')
            (void)!redact_add(r, keys[i], values[i], strlen(values[i]), NULL);
    }
}
