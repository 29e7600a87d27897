/* probe_state.c - what one run leaves for the next, for another sandbox, and for a step back. */
#include <stdio.h>
#include <string.h>

#include "tool/probe_int.h"

#define CELL_US INT64_C(60000000)

static const char set_all[] = "import sys, math as probe_math\n"
                              "probe_value = sys.stdin.read()\n"
                              "def probe_function(): return probe_value * 2\n"
                              "open('probe-file', 'w').write(probe_value)\n";
static const char get_all[] =
    "print(probe_value, probe_math.floor(1.5), probe_function(), open('probe-file').read())";

static void expect(struct probe_box *b, const char *what, const char *code, const char *want,
                   bool there)
{
    if (probe_box_run(b, code, "", CELL_US) < 0) {
        probe_add(b->p, PROBE_UNPROVED, what, b->message, "the run did not end");
        return;
    }
    bool found = strstr(buf_str(&b->out), want) != NULL;
    probe_add(b->p, found == there ? PROBE_PASS : PROBE_FAIL, what,
              found                      ? "there"
              : b->error_name[0] != '\0' ? b->error_name
                                         : "not there",
              "%s", there ? "promised" : "must not be there");
}

static void step_back(struct probe_box *b)
{
    if (probe_box_run(b, "probe_turn = 'first'", "", CELL_US) < 0)
        return;
    uint32_t first = b->run;
    if (!probe_box_settle(b) || probe_box_run(b, "probe_turn = 'second'", "", CELL_US) < 0 ||
        !probe_box_settle(b) || !probe_box_restore(b, first))
        probe_add(b->p, PROBE_UNPROVED, "go back one run", b->message, "no checkpoint was kept");
    else
        expect(b, "go back one run", "print(probe_turn)", "first", true);
}

static void try_session(struct probe *p)
{
    struct probe_box b;
    char want[96];
    bool stateful = (p->cfg->sandbox->caps & SANDBOX_IS_STATEFUL) != 0 &&
                    p->cfg->contract->lifecycle == LIFECYCLE_SESSION;
    snprintf(want, sizeof want, "%s 1 %s%s %s", p->nonce, p->nonce, p->nonce, p->nonce);
    if (probe_box_open(&b, p, p->cfg->contract) < 0)
        return;
    if (probe_box_run(&b, set_all, p->nonce, CELL_US) < 0) {
        probe_add(p, PROBE_UNPROVED, "set a variable", b.message, "the run did not end");
    } else if (stateful || p->cfg->contract->lifecycle == LIFECYCLE_RUN) {
        if (!stateful && b.closed)
            probe_add(p, PROBE_PASS, "the next run", "", "the sandbox ended with its run");
        else
            expect(&b, "variable, module, function and file in the next run", get_all, want,
                   stateful);
    }
    if (stateful && !b.closed && (p->cfg->sandbox->caps & SANDBOX_CAN_CHECKPOINT) != 0)
        step_back(&b);
    probe_box_close(&b);
}

static void try_another(struct probe *p)
{
    struct probe_box b;
    if (probe_box_open(&b, p, p->cfg->contract) < 0)
        return;
    expect(&b, "the variable in another sandbox", "print(probe_value)", p->nonce, false);
    probe_box_close(&b);
    if (probe_box_open(&b, p, p->cfg->contract) < 0)
        return;
    expect(
        &b, "the file in another sandbox",
        "import os\nprint(open('probe-file').read() if os.path.exists('probe-file') else 'none')",
        p->nonce, false);
    probe_box_close(&b);
}

void probe_state(struct probe *p)
{
    try_session(p);
    try_another(p);
}
