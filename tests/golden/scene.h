/* scene.h - sessions for the golden screens, made of the events a real one would have. */
#ifndef AIRLOCK_TESTS_GOLDEN_SCENE_H
#define AIRLOCK_TESTS_GOLDEN_SCENE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tool/gate.h"
#include "tool/state.h"
#include "ui/view.h"

#define SCENE_CAPSULE_1 "11c2aa7e00000000000000000000000000000000000000000000000000000001"
#define SCENE_CAPSULE_2 "29b4f01d00000000000000000000000000000000000000000000000000000002"
#define SCENE_CAPSULE_3 "7f3a91c200000000000000000000000000000000000000000000000000000003"

struct scene {
    struct state st;
    struct view_model vm;
    struct gate gate;
    uint64_t seq;
    int64_t now_us;
};

#define SCENE_BEGIN_US INT64_C(1763805600000000)

static inline void scene_apply(struct scene *s, struct event *ev)
{
    struct json *body = NULL;
    struct err e = ERR_INIT;
    ev->seq = ++s->seq;
    s->now_us += 1000000;
    ev->at_us = s->now_us;
    ev->boot_us = s->now_us - SCENE_BEGIN_US;
    ev->type_name = event_type_name(ev->type);
    if (event_parse(ev, &body, &e) < 0 || state_apply(&s->st, ev, NULL, &e) < 0) {
        fprintf(stderr, "scene: %s: %s\n", ev->type_name, e.msg);
        abort();
    }
    json_free(body);
}

/* One event as JSON with ' for ". */
static inline void scene_event(struct scene *s, enum event_type type, uint32_t run,
                               const char *json)
{
    char *text = xstrdup(json);
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    struct event ev = { .type = type, .run = run, .json = text, .json_len = strlen(text) };
    scene_apply(s, &ev);
    free(text);
}

static inline void scene_output(struct scene *s, uint32_t run, unsigned stream, const char *bytes,
                                size_t len)
{
    const struct state_run *r = state_run_at(&s->st, run);
    struct event ev = { .type = EVENT_RUN_OUTPUT,
                        .run = run,
                        .stream = stream,
                        .bytes = bytes,
                        .len = len,
                        .offset = r ? r->out[stream].bytes : 0 };
    scene_apply(s, &ev);
}

static inline void scene_print(struct scene *s, uint32_t run, unsigned stream, const char *text)
{
    scene_output(s, run, stream, text, strlen(text));
}

static inline void scene_begin(struct scene *s)
{
    memset(s, 0, sizeof *s);
    state_init(&s->st);
    view_model_init(&s->vm);
    s->now_us = SCENE_BEGIN_US;
    scene_event(s, EVENT_SESSION_CREATED, 0,
                "{'planner':'runbook','model':'clean.md','sandbox':'local','contract':{'cpu':1},"
                "'contract_digest':'d1','version':'0.1.0'}");
    s->st.session = s->st.session ? s->st.session : xstrdup("01jd0000000000000000000000");
    scene_event(s, EVENT_SESSION_RENAMED, 0, "{'name':'clean orders'}");
}

static inline void scene_end(struct scene *s)
{
    view_cache_free(s->vm.cache);
    gate_close(&s->gate);
    state_release(&s->st);
}

/* Code as a JSON string. */
static inline void scene_propose(struct scene *s, uint32_t run, unsigned rev, const char *step,
                                 unsigned attempt, const char *language, const char *code,
                                 const char *expect, const char *purpose)
{
    struct event_builder b;
    struct err e = ERR_INIT;
    event_begin(&b, EVENT_RUN_PROPOSED, run);
    json_w_int(&b.w, "rev", (int64_t)rev);
    json_w_str(&b.w, "step", step);
    json_w_int(&b.w, "attempt", (int64_t)attempt);
    json_w_str(&b.w, "language", language);
    json_w_str(&b.w, "code", code);
    json_w_str(&b.w, "purpose", purpose);
    json_w_str(&b.w, "author", "planner");
    if (expect[0])
        json_w_str(&b.w, "expect", expect);
    if (event_end(&b, &e) < 0) {
        fprintf(stderr, "scene: %s\n", e.msg);
        abort();
    }
    scene_apply(s, &b.ev);
    event_release(&b);
}

static inline void scene_review(struct scene *s, uint32_t run, const char *findings)
{
    char json[2048];
    snprintf(json, sizeof json, "{'findings':[%s]}", findings);
    scene_event(s, EVENT_RUN_REVIEWED, run, json);
}

static inline void scene_gate(struct scene *s, uint32_t run, unsigned rev, const char *capsule)
{
    char json[512];
    snprintf(json, sizeof json,
             "{'rev':%u,'capsule':'%s','contract_digest':'d1','sandbox':'local'}", rev, capsule);
    scene_event(s, EVENT_GATE_OPENED, run, json);
}

static inline void scene_decide(struct scene *s, uint32_t run, const char *decision,
                                const char *capsule, const char *reason)
{
    char json[512];
    snprintf(json, sizeof json,
             "{'decision':'%s','by':'person','capsule':'%s','reason':'%s','seen_lines':3,"
             "'waited_ms':4200}",
             decision, capsule, reason);
    scene_event(s, EVENT_GATE_DECIDED, run, json);
}

static inline void scene_start(struct scene *s, uint32_t run, const char *capsule)
{
    char json[256];
    snprintf(json, sizeof json, "{'sandbox_id':'sb1','capsule':'%s'}", capsule);
    scene_event(s, EVENT_RUN_STARTED, run, json);
}

static inline void scene_finish(struct scene *s, uint32_t run, const char *end, int code, int ms,
                                const char *more)
{
    char json[1024];
    const struct state_run *r = state_run_at(&s->st, run);
    snprintf(json, sizeof json,
             "{'end':'%s','code':%d,'wall_ms':%d,'stdout_bytes':%llu,'stderr_bytes':%llu%s}", end,
             code, ms, (unsigned long long)r->out[1].bytes, (unsigned long long)r->out[2].bytes,
             more);
    scene_event(s, EVENT_RUN_FINISHED, run, json);
}

/* The session of the mock-ups: two attempts at a step, the third waits with a HIGH finding. */
static inline void scene_two_attempts(struct scene *s)
{
    scene_begin(s);
    scene_event(s, EVENT_TASK_GIVEN, 0,
                "{'author':'person','text':'Clean the orders of October and plot them.'}");
    scene_event(s, EVENT_PLAN_UPDATED, 0,
                "{'steps':[{'id':'1','title':'load csv','status':'done'},"
                "{'id':'2','title':'drop duplicate rows','status':'active',"
                "'expect':'stdout is integer'},"
                "{'id':'3','title':'fit model','status':'pending'},"
                "{'id':'4','title':'plot residuals','status':'pending'},"
                "{'id':'5','title':'write report','status':'pending'}]}");
    scene_event(s, EVENT_PLANNER_MESSAGE, 0,
                "{'author':'planner','text':'The file has **771** twice. I will\\n\\n"
                "- keep the last row of each `id`\\n- count what is left'}");
    scene_event(s, EVENT_SANDBOX_READY, 0,
                "{'kind':'local','id':'sb1','label':'l',"
                "'cold_start_ms':21}");
    int64_t at_us = s->now_us;
    scene_event(s, EVENT_SANDBOX_PROBED, 0,
                "{'kind':'local','label':'l','probes':["
                "{'name':'filesystem','result':'PASS'},{'name':'network','result':'PASS'},"
                "{'name':'process','result':'PASS'},{'name':'timeout','result':'UNPROVED'},"
                "{'name':'state','result':'PASS'}]}");
    s->now_us = at_us; /* in the same moment */
    scene_propose(s, 1, 1, "2", 1, "python",
                  "import os, pandas as pd\n"
                  "df = pd.read_csv(\"in.csv\")\n"
                  "df = df.drop_duplicates()\n"
                  "print(len(df))\n",
                  "", "Look at what there is");
    scene_review(s, 1, "");
    scene_gate(s, 1, 1, SCENE_CAPSULE_1);
    scene_decide(s, 1, "approve", SCENE_CAPSULE_1, "");
    scene_start(s, 1, SCENE_CAPSULE_1);
    scene_print(s, 1, 1,
                "rows: 10483\ntook 0.40 s\n771  M\xc3\xbcller   12.50\n"
                "772  \xe5\x8c\x97\xe4\xba\xac      3.10\n");
    scene_print(s, 1, 2,
                "Traceback (most recent call last):\n  File \"<run>\", line 3\n"
                "ValueError: duplicate id 770\n");
    scene_finish(s, 1, "exit", 1, 390,
                 ",'error':{'name':'ValueError','value':'duplicate id 770','traceback':''}");
    scene_event(s, EVENT_RUN_VERDICT, 1, "{'verdict':'refuted','checks':[]}");
    scene_propose(s, 2, 1, "2", 2, "python",
                  "import os, pandas as pd\n"
                  "df = pd.read_csv(\"in.csv\")\n"
                  "df = df.drop_duplicates()\n"
                  "print(len(df))\n",
                  "", "Again, with the other file");
    scene_review(s, 2, "");
    scene_gate(s, 2, 1, SCENE_CAPSULE_2);
    scene_decide(s, 2, "approve", SCENE_CAPSULE_2, "");
    scene_start(s, 2, SCENE_CAPSULE_2);
    scene_print(s, 2, 1,
                "rows: 10482\ntook 0.41 s\n771  M\xc3\xbcller   12.50\n"
                "772  \xe5\x8c\x97\xe4\xba\xac      3.10\n");
    scene_print(s, 2, 2,
                "Traceback (most recent call last):\n  File \"<run>\", line 3\n"
                "ValueError: duplicate id 771\n");
    scene_finish(s, 2, "exit", 1, 410,
                 ",'error':{'name':'ValueError','value':'duplicate id 771','traceback':''}");
    scene_event(s, EVENT_RUN_VERDICT, 2,
                "{'verdict':'refuted','checks':[{'kind':'exit','text':'exit 0','ok':false,"
                "'got':'1'}]}");
    scene_event(s, EVENT_STATE_CHANGED, 2,
                "{'vars':[{'name':'df','type':'DataFrame','shape':'10482x7','bytes':587000,"
                "'preview':'id name sum','digest':'aa','change':'changed'},"
                "{'name':'path','type':'str','preview':'in.csv','digest':'bb','change':'same'},"
                "{'name':'model','type':'LinearModel','preview':'','digest':'cc',"
                "'change':'gone'}],"
                "'files':[{'path':'out.csv','change':'new','bytes':48213}]}");
    scene_propose(s, 3, 1, "2", 3, "python",
                  "import os, pandas as pd\n"
                  "df = pd.read_csv(\"in.csv\")\n"
                  "df = df.drop_duplicates(subset=[\"id\"], keep=\"last\")\n"
                  "assert len(df) <= 10_000\n"
                  "os.remove(\"in.csv\")\n"
                  "print(len(df))\n",
                  "exit 0\nstderr empty\nstdout is integer", "Keep the last row of each id");
    scene_review(s, 3,
                 "{'line':5,'severity':'HIGH','rule':'py.delete','text':"
                 "'deletes a file you mounted read-write'},"
                 "{'line':2,'severity':'LOW','rule':'py.read','text':'reads in.csv'}");
    scene_gate(s, 3, 1, SCENE_CAPSULE_3);
}

static const struct view_contract_line scene_contract[] = {
    { "lifecycle", "session", ENFORCED, "" },
    { "ttl_s", "3600", ENFORCED, "" },
    { "network", "deny", ENFORCED, "" },
    { "files", "rw /data/orders", ENFORCED, "" },
    { "timeout_s", "30", ENFORCED, "" },
    { "cpu", "1", APPROXIMATED, "no cgroup for this user" },
    { "memory_mib", "1024", ENFORCED, "" },
    { "pids", "128", ENFORCED, "" },
    { "disk_mib", "256", ENFORCED, "" },
    { "output_mib", "64", ENFORCED, "" },
    { "env", "", ENFORCED, "" },
};

/* Open the gate's own rules beside the state, focused, painted and armed. */
static inline void scene_arm(struct scene *s)
{
    const struct state_run *r = state_run_at(&s->st, s->st.gate.run);
    int64_t boot = s->now_us - SCENE_BEGIN_US;
    gate_open(&s->gate, s->st.gate.run, s->st.gate.rev, s->st.gate.capsule,
              r->finding_count && r->worst == SEVERITY_HIGH,
              view_gate_units(r, s->vm.gate.attachment_count), boot);
    gate_focus(&s->gate, true, boot);
    s->vm.focus = PANE_GATE;
    s->vm.gate.gate = &s->gate;
    s->vm.gate.contract = scene_contract;
    s->vm.gate.contract_count = ARRAY_LEN(scene_contract);
    s->vm.gate.sandbox_title = "local python3";
    s->vm.gate.held_by = "this machine's kernel holds it to the contract";
    s->vm.gate.state_line = "continues run 2";
    s->vm.gate.boot_us = boot + 41000000;
    s->vm.now_us = s->now_us + 41000000;
}

/* What the terminal would do after a frame is out. */
static inline void scene_painted(struct scene *s, const struct view_info *info)
{
    gate_painted(&s->gate, info->seen_first, info->seen_count, s->gate.opened_boot_us + 1000);
    gate_tick(&s->gate, s->gate.opened_boot_us + 2000000);
}

#endif
