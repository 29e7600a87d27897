/* e2b_offer.c - what E2B keeps of a contract, said field by field, and the languages it has. */
#include <stdio.h>
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

static void say(struct field_enforcement *f, enum enforcement how, const char *why)
{
    f->how = how;
    snprintf(f->why, sizeof f->why, "%s", why);
}

static void say_network(const struct contract *c, struct field_enforcement *f)
{
    if (c->network == NETWORK_DENY)
        say(f, ENFORCED, "E2B's firewall: nothing out, no port of it open to others");
    else if (c->network == NETWORK_OPEN)
        say(f, ENFORCED, "the internet, from E2B's network");
    else
        say(f, APPROXIMATED, "by host name on ports 80 and 443 only; no other port, no UDP");
}

void e2b_enforcement(const struct contract *c, struct contract_enforcement *out)
{
    memset(out, 0, sizeof *out); /* ENFORCED, no word */
    say_network(c, &out->field[FIELD_NETWORK]);
    say(&out->field[FIELD_TTL], ENFORCED,
        "by Airlock; without Airlock E2B ends it within 5 minutes");
    say(&out->field[FIELD_TIMEOUT], ENFORCED,
        "the run, by Airlock; what it left behind may go on until the sandbox ends");
    if (c->mount_count > 0)
        say(&out->field[FIELD_FILES], NOT_ENFORCEABLE,
            "no directory of this machine can be mounted there: use :put and :get");
    say(&out->field[FIELD_CPU], NOT_ENFORCEABLE, "the template decides");
    say(&out->field[FIELD_MEMORY], NOT_ENFORCEABLE, "the template decides");
    say(&out->field[FIELD_PIDS], NOT_ENFORCEABLE, "the template decides");
    say(&out->field[FIELD_DISK], NOT_ENFORCEABLE, "the plan decides: 10 or 20 GiB");
    say(&out->field[FIELD_ENV], ENFORCED, "and E2B's own variables");
}

/* Field 8 of the capsule: what runs the code. */
const char *e2b_interpreter(const struct contract *c, const char *language)
{
    static const struct {
        const char *language, *interpreter;
    } known[] = {
        { "python", "e2b context: python" },
        { "javascript", "e2b context: javascript" },
        { "typescript", "e2b context: typescript" },
        { "r", "e2b context: r" },
        { "java", "e2b context: java" },
        { "bash", "/bin/bash -c" },
    };
    (void)c;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i].language, language) == 0)
            return known[i].interpreter;
    return NULL;
}
