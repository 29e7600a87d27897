/* probe_limits.c - a disk, a memory and a process limit, each tried with four times what it allows.
 */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "tool/probe_int.h"

#define RUN_US     INT64_C(120000000)
#define DISK_MIB   16
#define MEMORY_MIB 128
#define PIDS       32
#define TIMES      4

/* Bytes free on the host where a leak would be seen; -1 unknown. */
static int64_t free_on_host(void)
{
    struct statvfs st;
    return statvfs("/tmp", &st) == 0 ? (int64_t)st.f_bavail * (int64_t)st.f_frsize : -1;
}

struct limit {
    const char *which, *what, *unit;
    enum contract_field field;
    int64_t allowed;
};

static bool ended_by_limit(const struct limit *l, const struct probe_box *b, const char *got)
{
    switch (l->field) {
    case FIELD_DISK:
        return strcmp(got, "ENOSPC") == 0 || strcmp(got, "EDQUOT") == 0 ||
               strcmp(got, "EFBIG") == 0;
    case FIELD_MEMORY:
        return strcmp(got, "MemoryError") == 0 || b->end == END_OOM;
    default:
        return strcmp(got, "EAGAIN") == 0 || strcmp(got, "ENOMEM") == 0;
    }
}

static void judge(struct probe *p, const struct limit *l, struct probe_box *b)
{
    char what[64], inside[160];
    struct err e = ERR_INIT;
    struct json *answer = NULL;
    const char *start = strstr(buf_str(&b->out), "{\"got\"");
    if (start != NULL)
        (void)!json_parse(&answer, start, strlen(start), &e);
    const char *got = json_get_str(answer, "got", "");
    int64_t done = json_get_int(answer, "done", -1);
    snprintf(what, sizeof what, "%s: %d times %lld %s", l->what, TIMES, (long long)l->allowed,
             l->unit);
    if (done >= 0)
        snprintf(inside, sizeof inside, "%.100s after %lld %s", got, (long long)done, l->unit);
    else
        snprintf(inside, sizeof inside, "ended: %s %.60s", run_end_name(b->end), b->error_name);
    bool held = ended_by_limit(l, b, got);
    probe_add(p, held ? PROBE_PASS : PROBE_FAIL, what, inside, "%s",
              held ? "the limit held" : "the limit did not hold");
    json_free(answer);
}

static void try_limit(struct probe *p, const struct limit *l,
                      const struct contract_enforcement *how)
{
    struct probe_box b;
    char question[128];
    struct contract c = *p->cfg->contract;
    c.disk_mib = DISK_MIB;
    c.memory_mib = MEMORY_MIB;
    c.pids = PIDS;
    if (how->field[l->field].how == NOT_ENFORCEABLE) {
        probe_add(p, PROBE_UNPROVED, l->what, "", "not enforceable: %s", how->field[l->field].why);
        return;
    }
    snprintf(question, sizeof question, "{\"nonce\":\"%s\",\"which\":\"%s\",\"most\":%lld}",
             p->nonce, l->which, (long long)l->allowed * TIMES);
    if (probe_box_open(&b, p, &c) < 0)
        return;
    int64_t before = free_on_host();
    if (probe_box_run(&b, probe_script("limits"), question, RUN_US) < 0)
        probe_add(p, PROBE_UNPROVED, l->what, b.message, "the run did not end");
    else
        judge(p, l, &b);
    int64_t grown = before - free_on_host();
    if (l->field == FIELD_DISK && before >= 0 && grown > (int64_t)DISK_MIB * TIMES / 2 * (1 << 20))
        probe_add(p, PROBE_UNPROVED, "free space of this host", "", "%lld MiB less",
                  (long long)(grown >> 20));
    probe_box_close(&b);
}

void probe_limits(struct probe *p)
{
    static const struct limit limits[] = {
        { "disk", "disk", "MiB", FIELD_DISK, DISK_MIB },
        { "memory", "memory", "MiB", FIELD_MEMORY, MEMORY_MIB },
        { "processes", "processes", "processes", FIELD_PIDS, PIDS },
    };
    struct contract_enforcement how;
    p->cfg->sandbox->enforcement(p->cfg->contract, &how);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        try_limit(p, &limits[i], &how);
}
