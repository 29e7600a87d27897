/* probe.c - the list of probes, one after the other, and their reports. */
#include "tool/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sha256.h"
#include "tool/probe_int.h"

static const struct {
    const char *name, *question;
    void (*run)(struct probe *p);
} probes[PROBE_COUNT] = {
    { "filesystem", "can it read or change the host's files?", probe_files },
    { "network", "can it reach the host, its network, or a name server?", probe_network },
    { "process", "can it see or signal the host's processes, and with which rights?",
      probe_processes },
    { "timeout", "does everything it started end with its time?", probe_timeout },
    { "state", "does it keep what it says it keeps, and nothing else?", probe_state },
    { "limits", "do disk, memory and process limits hold?", probe_limits },
    { "kill", "does a kill at any moment of its birth leave nothing?", probe_kill },
};

const char *probe_name(size_t i)
{
    return i < PROBE_COUNT ? probes[i].name : NULL;
}

const char *probe_outcome_name(enum probe_outcome o)
{
    static const char *const names[] = { "PASS", "UNPROVED", "FAIL" };
    return names[o];
}

void probe_add(struct probe *p, enum probe_outcome o, const char *what, const char *inside,
               const char *fmt, ...)
{
    struct probe_report *r = p->report;
    char host[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(host, sizeof host, fmt, ap);
    va_end(ap);
    r->rows = xreallocarray(r->rows, r->row_count + 1, sizeof *r->rows);
    r->rows[r->row_count++] = (struct probe_row){
        .what = xstrdup(what), .inside = xstrndup(inside, 400), .host = xstrdup(host), .outcome = o
    };
    if (o > r->outcome || (r->row_count == 1 && o != PROBE_PASS)) {
        r->outcome = o;
        snprintf(r->why, sizeof r->why, "%.80s: %.60s%s%.100s", what, inside,
                 inside[0] != '\0' && host[0] != '\0' ? "; " : "", host);
    }
}

const char *probe_question(const char *name)
{
    for (size_t i = 0; i < PROBE_COUNT; i++) {
        if (strcmp(probes[i].name, name) == 0)
            return probes[i].question;
    }
    return "";
}

void probe_report_release(struct probe_report *r)
{
    for (size_t i = 0; i < r->row_count; i++) {
        free(r->rows[i].what);
        free(r->rows[i].inside);
        free(r->rows[i].host);
    }
    free(r->rows);
}

static void run_one(const struct probe_config *cfg, size_t i, struct err *broken)
{
    struct probe_report r = { .name = probes[i].name, .question = probes[i].question };
    struct probe p = { .cfg = cfg, .report = &r };
    uint8_t random[(PROBE_NONCE - 1) / 2];
    int64_t since = clock_boot_us();
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, p.nonce);
    probes[i].run(&p);
    if (r.row_count == 0)
        probe_add(&p, PROBE_UNPROVED, r.name, "", "nothing could be tried");
    r.took_us = clock_boot_us() - since;
    if (p.broken.code == ERR_NONE)
        cfg->report(cfg->arg, &r);
    *broken = p.broken;
    probe_report_release(&r);
}

int probe_run(const struct probe_config *cfg, struct err *e)
{
    bool found = false;
    for (size_t i = 0; i < PROBE_COUNT; i++) {
        struct err broken = ERR_INIT;
        if (cfg->only != NULL && strcmp(cfg->only, probes[i].name) != 0)
            continue;
        found = true;
        run_one(cfg, i, &broken);
        if (broken.code != ERR_NONE)
            return err_set(e, broken.code, "%s", broken.msg);
    }
    return found ? 0 : err_set(e, ERR_USAGE, "no probe '%.40s'", cfg->only);
}
