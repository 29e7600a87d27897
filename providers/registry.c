/* registry.c - the planners and sandboxes by name, and the words of their enums. */
#include <string.h>

#include "base/buf.h"

#include "providers/registry.h"

static const struct planner_ops *const planners[] = { &planner_human, &planner_runbook,
                                                      &planner_anthropic, &planner_openai };
static const struct sandbox_ops *const sandboxes[] = { &sandbox_local, &sandbox_e2b,
                                                       &sandbox_claude_managed,
                                                       &sandbox_claude_messages };

const struct planner_ops *planner_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(planners); i++)
        if (strcmp(planners[i]->name, name) == 0)
            return planners[i];
    return NULL;
}

const struct planner_ops *const *planner_list(size_t *count)
{
    *count = ARRAY_LEN(planners);
    return planners;
}

const struct sandbox_ops *sandbox_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(sandboxes); i++)
        if (strcmp(sandboxes[i]->name, name) == 0)
            return sandboxes[i];
    return NULL;
}

static const struct sandbox_ops *unknown_sandbox(const char *name, struct err *e)
{
    struct buf names = BUF_INIT(1024);
    for (size_t i = 0; i < ARRAY_LEN(sandboxes); i++)
        (void)buf_addf(&names, "%s%s", i > 0 ? ", " : "", sandboxes[i]->name);
    err_set(e, ERR_USAGE, "no sandbox '%.40s'; there are: %s (code never runs on the host)", name,
            buf_str(&names));
    buf_release(&names);
    return NULL;
}

static const struct sandbox_variant *find_variant(const struct sandbox_ops *ops, const char *word,
                                                  size_t len)
{
    for (const struct sandbox_variant *v = ops->variants; v->word != NULL; v++) {
        size_t n = strlen(v->word);
        bool option = v->word[n - 1] == '=';
        if ((n == len || (option && n < len)) && memcmp(v->word, word, n) == 0)
            return v;
    }
    return NULL;
}

static const struct sandbox_ops *unknown_word(const struct sandbox_ops *ops, const char *word,
                                              size_t len, struct err *e)
{
    struct buf words = BUF_INIT(1024);
    for (const struct sandbox_variant *v = ops->variants; v->word != NULL; v++)
        (void)buf_addf(&words, "%s%s%s", v != ops->variants ? ", " : "", v->word,
                       v->ops == NULL ? "N" : "");
    err_set(e, ERR_USAGE, "sandbox %s: '%.*s' is not known; there is: %s", ops->name,
            (int)(len < 60 ? len : 60), word, buf_str(&words));
    buf_release(&words);
    return NULL;
}

const struct sandbox_ops *sandbox_choose(const char *name, const char *image, struct err *e)
{
    const struct sandbox_ops *base = sandbox_find(name), *ops = base;
    if (base == NULL)
        return unknown_sandbox(name, e);
    if (base->variants == NULL || image == NULL)
        return base;
    for (const char *at = image; *at != '\0';) { /* the first word may be the image itself */
        size_t len = strcspn(at, ",");
        if (at != image || memchr(at, '=', len) != NULL) {
            const struct sandbox_variant *v = find_variant(base, at, len);
            if (v == NULL) {
                return unknown_word(base, at, len, e);
            }
            ops = v->ops != NULL ? v->ops : ops;
        }
        at += len + (at[len] == ',');
    }
    return ops;
}

const struct sandbox_ops *const *sandbox_list(size_t *count)
{
    *count = ARRAY_LEN(sandboxes);
    return sandboxes;
}

/* ---- what every kind tells alike */

struct sandbox_finished sandbox_finished_bare(enum run_end end, const char *message)
{
    return (struct sandbox_finished){ .end = end,
                                      .what = "",
                                      .limits_hit = "",
                                      .error_name = "",
                                      .error_value = "",
                                      .error_traceback = "",
                                      .check_text = "",
                                      .message = message };
}

/* ---- words: those of interface.md, which programs rely on */

const char *run_end_name(enum run_end end)
{
    static const char *const names[] = {
        [END_EXIT] = "exit",       [END_SIGNAL] = "signal",
        [END_TIMEOUT] = "timeout", [END_INTERRUPTED] = "interrupted",
        [END_KILLED] = "killed",   [END_OOM] = "oom",
        [END_LIMIT] = "limit",     [END_LOST] = "lost",
        [END_SANDBOX] = "sandbox", [END_PROVIDER] = "provider",
        [END_UNKNOWN] = "unknown", [END_INTEGRITY] = "integrity",
        [END_DENIED] = "denied",
    };
    return (size_t)end < ARRAY_LEN(names) ? names[end] : "unknown";
}

const char *var_change_name(enum var_change c)
{
    static const char *const names[] = { [CHANGE_NEW] = "new",
                                         [CHANGE_CHANGED] = "changed",
                                         [CHANGE_SAME] = "same",
                                         [CHANGE_GONE] = "gone",
                                         [CHANGE_UNKNOWN] = "unknown" };
    return (size_t)c < ARRAY_LEN(names) ? names[c] : "unknown";
}

static const char *const step_names[] = {
    [STEP_PENDING] = "pending", [STEP_ACTIVE] = "active", [STEP_DONE] = "done",
    [STEP_FAILED] = "failed",   [STEP_DENIED] = "denied", [STEP_SKIPPED] = "skipped"
};

bool planner_effort_is_known(const char *word)
{
    static const char *const words[] = {
        "none", "minimal", "low", "medium", "high", "xhigh", "max"
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i], word) == 0)
            return true;
    }
    return false;
}

const char *step_status_name(enum step_status s)
{
    return (size_t)s < ARRAY_LEN(step_names) ? step_names[s] : "pending";
}

int step_status_parse(const char *name, enum step_status *out)
{
    for (size_t i = 0; i < ARRAY_LEN(step_names); i++) {
        if (strcmp(step_names[i], name) == 0) {
            *out = (enum step_status)i;
            return 0;
        }
    }
    return -1;
}
