/* claude_managed_offer.c - what Managed Agents keep of a contract, said field by field; languages,
 * prices. [claude.md §8] */
#include <stdio.h>
#include <string.h>

#include "base/share.h"
#include "providers/planners/llm_price.h"
#include "providers/sandboxes/claude_managed_int.h"

static void say(struct field_enforcement *f, enum enforcement how, const char *why)
{
    f->how = how;
    snprintf(f->why, sizeof f->why, "%s", why);
}

void managed_enforcement(const struct contract *c, struct contract_enforcement *out)
{
    memset(out, 0, sizeof *out); /* ENFORCED, no word */
    if (c->network == NETWORK_DENY)
        say(&out->field[FIELD_NETWORK], ENFORCED,
            "by Anthropic: an empty list of hosts, read back");
    else
        say(&out->field[FIELD_NETWORK], NOT_ENFORCEABLE, "only network=deny is offered here");
    say(&out->field[FIELD_TTL], ENFORCED,
        "by Airlock; without it nothing runs there: the session waits, at no cost");
    say(&out->field[FIELD_TIMEOUT], ENFORCED,
        "inside, with all that the code started; and by Airlock");
    if (c->mount_count > 0)
        say(&out->field[FIELD_FILES], NOT_ENFORCEABLE,
            "no directory of this machine can be mounted there");
    else
        say(&out->field[FIELD_FILES], ENFORCED, "/workspace, or ~/workspace where that can't be");
    say(&out->field[FIELD_CPU], NOT_ENFORCEABLE, "Anthropic's container decides");
    say(&out->field[FIELD_MEMORY], NOT_ENFORCEABLE, "Anthropic's container decides: up to 8 GB");
    say(&out->field[FIELD_PIDS], NOT_ENFORCEABLE, "Anthropic's container decides");
    say(&out->field[FIELD_DISK], NOT_ENFORCEABLE, "Anthropic's container decides: 10 GB");
    say(&out->field[FIELD_OUTPUT], ENFORCED,
        "stricter: 40 KiB of stdout and 12 KiB of stderr come back, the rest is counted");
    if (c->env_count > 0)
        say(&out->field[FIELD_ENV], NOT_ENFORCEABLE, "no values: a model would read them");
}

/* Field 8 of the capsule: what runs the code. */
const char *managed_interpreter(const struct contract *c, const char *language)
{
    static const char *const known[][2] = { { "python", "python3" }, { "bash", "bash" } };
    (void)c;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i][0], language) == 0)
            return known[i][1];
    return NULL;
}

int64_t managed_nanousd(int64_t running_ms)
{
    const struct share_file *f = share_find("prices/claude-managed.json");
    struct json *o = NULL;
    if (f == NULL || json_parse(&o, f->ptr, f->len, NULL) < 0)
        return -1;
    int64_t hour = json_get_int(o, "running_hour_nanousd", -1);
    json_free(o);
    if (hour < 0 || hour > INT64_C(1) << 40 || running_ms < 0 || running_ms > INT64_C(1) << 40)
        return -1;
    return running_ms / 3600000 * hour + running_ms % 3600000 * hour / 3600000;
}

int64_t managed_tokens_nanousd(const char *model, int64_t input, int64_t output, int64_t cached,
                               int64_t written)
{
    struct llm_facts facts;
    const struct llm_usage u = {
        .input = input, .output = output, .cache_read = cached, .cache_write = written
    };
    llm_facts_find(&facts, "anthropic", model);
    return llm_cost(&facts, &u);
}
