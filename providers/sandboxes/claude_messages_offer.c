/* claude_messages_offer.c - what Anthropic's container keeps of a contract, said field by field;
 * its languages; its price. [claude.md §6.3, §6.5] */
#include <stdio.h>
#include <string.h>

#include "base/share.h"
#include "providers/sandboxes/claude_messages_int.h"

#define FIXED_MIB 5120

static void say(struct field_enforcement *f, enum enforcement how, const char *why)
{
    f->how = how;
    snprintf(f->why, sizeof f->why, "%s", why);
}

void messages_enforcement(const struct contract *c, struct contract_enforcement *out)
{
    memset(out, 0, sizeof *out); /* ENFORCED, no word */
    say(&out->field[FIELD_LIFECYCLE], APPROXIMATED,
        "Airlock forgets the container; Anthropic keeps it up to 30 days");
    say(&out->field[FIELD_TTL], APPROXIMATED,
        "Airlock forgets the container; nobody can end it early");
    if (c->network == NETWORK_DENY)
        say(&out->field[FIELD_NETWORK], ENFORCED, "the container has none, says Anthropic");
    else
        say(&out->field[FIELD_NETWORK], NOT_ENFORCEABLE, "the container has no network at all");
    if (c->mount_count > 0)
        say(&out->field[FIELD_FILES], NOT_ENFORCEABLE,
            "no directory of this machine can be mounted there");
    say(&out->field[FIELD_TIMEOUT], APPROXIMATED,
        "by the program that starts the code; from here it can't be stopped");
    say(&out->field[FIELD_CPU], ENFORCED, "1, fixed");
    if (c->memory_mib < FIXED_MIB)
        say(&out->field[FIELD_MEMORY], NOT_ENFORCEABLE, "5 GiB, fixed");
    if (c->disk_mib < FIXED_MIB)
        say(&out->field[FIELD_DISK], NOT_ENFORCEABLE, "5 GiB, fixed");
    say(&out->field[FIELD_PIDS], NOT_ENFORCEABLE, "Anthropic decides");
    if (c->env_count > 0)
        say(&out->field[FIELD_ENV], NOT_ENFORCEABLE,
            "nothing but the program goes there: a model would read it");
}

void messages_state_enforcement(const struct contract *c, struct contract_enforcement *out)
{
    messages_enforcement(c, out);
    if (c->lifecycle != LIFECYCLE_SESSION)
        return;
    say(&out->field[FIELD_LIFECYCLE], APPROXIMATED,
        "variables stay while Anthropic keeps the interpreter; the container up to 30 days");
    say(&out->field[FIELD_TIMEOUT], APPROXIMATED,
        "by the cell that starts it, 80 s at most; from here it can't be stopped");
}

const char *messages_introspection(size_t *len)
{
    const struct share_file *f = claude_runner(CLAUDE_CELL);
    *len = f->len;
    return f->ptr;
}

const char *messages_interpreter(const struct contract *c, const char *language)
{
    (void)c;
    if (strcmp(language, "python") == 0)
        return "claude container: python3";
    return strcmp(language, "bash") == 0 ? "claude container: bash" : NULL;
}

static int64_t fact(const char *key)
{
    const struct share_file *f = share_find("prices/claude-messages.json");
    struct json *o = NULL;
    if (f == NULL || json_parse(&o, f->ptr, f->len, NULL) < 0)
        return -1;
    int64_t n = json_get_int(o, key, -1);
    json_free(o);
    return n;
}

int64_t messages_billed_s(int64_t s)
{
    int64_t least = fact("least_s");
    return s > least ? s : least > 0 ? least : 0;
}

int64_t messages_nanousd(int64_t billed_s)
{
    int64_t hour = fact("container_nanousd_hour");
    if (hour < 0 || billed_s < 0 || billed_s > (INT64_C(1) << 28))
        return -1;
    return hour / 3600 * billed_s;
}
