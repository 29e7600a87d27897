/* round_past.h - a session of before, as facts: runs, what they left, what was saved of it. */
#ifndef AIRLOCK_TESTS_ROUND_PAST_H
#define AIRLOCK_TESTS_ROUND_PAST_H

#include "round_fixture.h"

static inline void past_proposed(uint32_t run, const char *code, const char *author,
                                 const char *expect)
{
    char json[512];
    snprintf(json, sizeof json,
             "{'rev':1,'step':'1','attempt':1,'language':'python','code':'%s','purpose':'p',"
             "'author':'%s','expect':'%s'}",
             code, author, expect);
    fact("run.proposed", run, json);
    fact("run.reviewed", run, "{'findings':[]}");
}

static inline void past_decided(uint32_t run, const char *decision)
{
    char json[512];
    snprintf(json, sizeof json, "{'rev':1,'capsule':'%064u','contract_digest':'d','sandbox':'b'}",
             run);
    fact("gate.opened", run, json);
    snprintf(json, sizeof json,
             "{'decision':'%s','by':'person','capsule':'%064u','seen_lines':1,'waited_ms':1}",
             decision, run);
    fact("gate.decided", run, json);
}

static inline void past_started(uint32_t run)
{
    char json[128];
    past_proposed(run, "x = 1", "planner", "");
    past_decided(run, "approve");
    snprintf(json, sizeof json, "{'sandbox_id':'b','capsule':'%064u'}", run);
    fact("run.started", run, json);
}

static inline void past_run(uint32_t run, const char *vars)
{
    char json[512];
    past_started(run);
    fact("run.finished", run,
         "{'end':'exit','code':0,'wall_ms':1,'stdout_bytes':0,'stderr_bytes':0}");
    fact("run.verdict", run, "{'verdict':'unverified','checks':[]}");
    snprintf(json, sizeof json, "{'vars':[%s],'files':[]}", vars);
    fact("state.changed", run, json);
}

#define VAR(name, digest)                                                                          \
    "{'name':'" name "','type':'int','preview':'1','digest':'" digest "','change':'changed'}"
#define DIGEST "1111111111111111111111111111111111111111111111111111111111111111"

/* The namespace after `run`, of so many bytes, is in the record. */
static inline void past_saved(uint32_t run, const char *lost)
{
    char json[512];
    snprintf(json, sizeof json, "{'kind':'saved','digest':'%s','size':9,'kept':['x'],'lost':[%s]}",
             DIGEST, lost);
    fact("checkpoint.made", run, json);
    if (d.blob_count == 0) {
        d.blobs[0].ref = xstrdup(DIGEST);
        buf_init(&d.blobs[0].bytes, 100);
        assert_int_equal(buf_add(&d.blobs[d.blob_count++].bytes, "namespace", 9), 0);
    }
}

static inline void past_sandbox(const char *last)
{
    fact("sandbox.creating", 0, "{'kind':'box','label':'01jd0000000000000000000000-7'}");
    fact("sandbox.ready", 0, "{'kind':'box','label':'01jd0000000000000000000000-7','id':'old-id'}");
    if (last[0] != '\0')
        fact(last, 0, "{'kind':'box','label':'01jd0000000000000000000000-7','id':'old-id'}");
}

#endif
