/* runs.c - random runs of the gate against the oracle, then one fault after the other put in on
 * purpose, of which the oracle must speak. Usage: gate_runs [COUNT [SEED]]. Prints TAP and the
 * counts; exits 1 when an approval came out that no person gave. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "gate/script.h"
#include "gate/seams.h"
#include "tool/capsule.h"

#define GATES_PER_LIFE 16
#define SECOND_US      INT64_C(1000000)

static struct app app;
static struct script script;
static struct oracle_gate gate;
static size_t at_step, gates;
static int64_t step_due_us, awake_us, over_us;
static bool is_open, was_focused, life_ends, open_asked;
static uint32_t next_char;
static uint64_t run_number, seed, runs_wanted;
static struct {
    uint64_t runs, keys, noise, frames, approvals, dry_runs, denials, edits, others, wrong;
} counted;

/* ---- gates ---- */

/* Characters of one column, each used once in a life: Braille and Canadian syllabics. */
static uint32_t take_char(void)
{
    uint32_t cp = next_char++;
    return cp < 255 ? 0x2801 + cp : 0x1401 + (cp - 255);
}

static void add_utf8(struct buf *b, uint32_t cp)
{
    const char bytes[] = { (char)(0xe0 | cp >> 12), (char)(0x80 | (cp >> 6 & 63)),
                           (char)(0x80 | (cp & 63)) };
    (void)buf_add(b, bytes, sizeof bytes);
}

static void make_code(struct buf *code)
{
    size_t lines = 1 + draw(draw(3) ? 8 : 36);
    gate.char_count = 0;
    for (size_t i = 0; i < lines; i++) {
        size_t n = draw(24) == 0 ? 12 : 1;
        (void)buf_add_char(code, '#');
        for (; n > 0 && gate.char_count < ORACLE_CHARS_MAX; n--) {
            uint32_t cp = take_char();
            gate.chars[gate.char_count++] = cp;
            add_utf8(code, cp);
        }
        (void)buf_add_char(code, '\n');
    }
}

static void make_capsule(const struct buf *code, uint32_t run)
{
    struct err e = ERR_INIT;
    const char *argv[4];
    gate.row_count = draw(3) ? 0 : 1 + draw(4);
    for (size_t i = 0; i < gate.row_count; i++) {
        snprintf(gate.rows[i], sizeof gate.rows[i], "W%ux%u", run, (unsigned)i);
        argv[i] = gate.rows[i];
    }
    struct sandbox_run rq = { .run = run,
                              .language = "python",
                              .interpreter = "/usr/bin/python3",
                              .code = code->ptr,
                              .code_len = code->len,
                              .argv = argv,
                              .argv_count = gate.row_count,
                              .cwd = "/workspace",
                              .input = "",
                              .check_code = "" };
    struct capsule_spec spec = {
        .session = "s", .run = run, .rev = 1, .sandbox = "local", .origin = "", .rq = &rq
    };
    struct capsule *c = NULL;
    for (size_t i = 0; i < sizeof spec.nonce; i++)
        spec.nonce[i] = (uint8_t)draw(256);
    if (capsule_new(&c, &spec, &e) < 0) {
        printf("Bail out! %s\n", e.msg);
        exit(2);
    }
    capsule_free((struct capsule *)(uintptr_t)world.capsule);
    world.capsule = c;
    snprintf(gate.hex, sizeof gate.hex, "%s", capsule_hex(c));
}

/* The next gate is drawn before its run begins, so that a script can name its capsule. */
static void prepare_gate(struct buf *code)
{
    gates = world.scene->st.run_count + 1;
    make_code(code);
    gate.high = draw(4) == 0;
    gate.confirm_hex = world.screen->gate.confirm_hex_always;
    make_capsule(code, (uint32_t)gates);
}

static void put_gate(struct buf *code)
{
    uint32_t run = (uint32_t)gates;
    scene_propose(world.scene, run, 1, "1", 1, "python", buf_str(code), "", "");
    scene_review(world.scene, run,
                 gate.high ? "{'line':1,'severity':'HIGH','rule':'r','text':'t'}" : "");
    scene_gate(world.scene, run, 1, gate.hex);
    is_open = true;
    oracle_gate_opens(&gate, world.now_us);
    screen_gate_open(world.screen, "");
}

static void record_decision(void)
{
    char json[256];
    if (!is_open)
        return;
    is_open = false;
    snprintf(json, sizeof json,
             "{'decision':'deny','by':'person','capsule':'%s','seen_lines':0,'waited_ms':1}",
             gate.hex);
    scene_event(world.scene, EVENT_GATE_DECIDED, (uint32_t)gates, json);
    oracle_gate_closes();
    screen_gate_sync(world.screen);
    screen_changed(world.screen);
}

/* ---- what the seams tell ---- */

static void look_at_focus(void)
{
    bool focused = world.screen->vm.focus == PANE_GATE;
    if (focused != was_focused)
        oracle_disturbance(world.now_us);
    was_focused = focused;
}

void told_frame(const struct grid *g)
{
    counted.frames++;
    look_at_focus();
    oracle_frame(g, was_focused, world.now_us);
}

void told_flush(void)
{
    oracle_disturbance(world.now_us);
}

static void deliver(const struct step *k)
{
    size_t room = sizeof world.waiting - world.waiting_len;
    size_t n = k->len < room ? k->len : room;
    memcpy(world.waiting + world.waiting_len, k->bytes, n);
    world.waiting_len += n;
    if (k->kind == STEP_KEY)
        oracle_key((unsigned char)(k->len == 1 ? k->bytes[0] : 0), world.now_us);
    else
        oracle_noise(world.now_us);
    counted.keys += k->kind == STEP_KEY;
    counted.noise += k->kind == STEP_NOISE;
}

/* ^Z: while the shell has the terminal somebody types, or makes the window smaller. */
void told_stop(void)
{
    const struct step keys = { .kind = STEP_KEY, .bytes = "a", .len = 1 };
    world.now_us += draw(3) * SECOND_US;
    if (draw(2))
        deliver(&keys);
    if (draw(3) == 0) {
        world.w = 40 + (int)draw(60);
        world.signals |= 1u << SIGWINCH;
    }
    world.signals |= 1u << SIGCONT;
    oracle_disturbance(world.now_us);
}

int told_decide(const struct round_decide *d)
{
    bool runs = d->decision == DECIDE_APPROVE || d->decision == DECIDE_DRY_RUN;
    const char *why = runs ? oracle_judge(d, world.now_us) : NULL;
    counted.approvals += d->decision == DECIDE_APPROVE;
    counted.dry_runs += d->decision == DECIDE_DRY_RUN;
    counted.denials += !runs;
    if (why != NULL && counted.wrong++ < 3) {
        printf("# seed %llu run %llu: %s\n", (unsigned long long)seed,
               (unsigned long long)run_number, why);
        if (broken == BREAK_NOTHING)
            oracle_print();
    }
    record_decision();
    return 0;
}

void told_edit(void)
{
    struct buf code = BUF_INIT(1 << 16);
    if (!is_open || next_char + ORACLE_CHARS_MAX > 800)
        return;
    counted.edits++;
    record_decision();
    prepare_gate(&code);
    put_gate(&code);
    buf_release(&code);
}

/* ---- one step after the other ---- */

static struct buf code_room;

static void begin_run(void)
{
    struct screen *s = world.screen;
    run_number++;
    counted.runs++;
    script_seed(seed + run_number);
    record_decision();
    buf_reset(&code_room);
    prepare_gate(&code_room);
    script_make(&script, &gate);
    at_step = 0;
    open_asked = false;
    if (script.fresh) {
        s->asking = ASK_NOTHING;
        s->vm.question.text = NULL;
        s->vm.screen = SCREEN_SESSION;
        if (s->use != USE_MAIN)
            screen_prompt_done(s);
        prompt_clear();
        screen_focus(s, PANE_PROMPT);
        world.now_us += 3 * SECOND_US;
        step_due_us = world.now_us;
    }
    step_due_us = world.now_us + script.steps[0].gap_us;
}

static void resize(const struct step *k)
{
    world.w = k->w;
    world.h = k->h;
    world.signals |= 1u << SIGWINCH;
    oracle_disturbance(world.now_us);
}

static void take_step(const struct step *k)
{
    switch (k->kind) {
    case STEP_KEY:
    case STEP_NOISE:
        deliver(k);
        break;
    case STEP_OPEN:
        open_asked = true;
        break;
    case STEP_STALL:
        awake_us = world.now_us + k->wait_us;
        break;
    case STEP_RESIZE:
        resize(k);
        break;
    case STEP_CONT:
        world.signals |= 1u << SIGCONT;
        oracle_disturbance(world.now_us);
        break;
    case STEP_CLOSE:
        record_decision();
        break;
    case STEP_EOF:
        world.at_eof = true;
        oracle_disturbance(world.now_us);
        break;
    case STEP_HUP:
    case STEP_TERM:
        world.signals |= 1u << (k->kind == STEP_HUP ? SIGHUP : SIGTERM);
        oracle_disturbance(world.now_us);
        break;
    }
    life_ends = life_ends || k->kind >= STEP_EOF;
}

/* To the next thing that happens: a step, a timer, or the end of a stall. */
static void move_clock(void)
{
    int64_t to = world_timer_due(), step = at_step < script.count ? step_due_us : over_us;
    to = to < 0 ? step : to;
    to = to < awake_us ? awake_us : to;
    to = to < step ? to : step;
    world.now_us = to > world.now_us ? to : world.now_us;
}

bool next_step(void)
{
    if (world.screen->leaving)
        return false;
    if (at_step >= script.count && world.now_us >= over_us) {
        if (life_ends || counted.runs >= runs_wanted || gates + 3 > GATES_PER_LIFE ||
            next_char + 2 * ORACLE_CHARS_MAX > 800)
            return false;
        begin_run();
    }
    move_clock();
    while (at_step < script.count && world.now_us >= step_due_us) {
        take_step(&script.steps[at_step++]);
        step_due_us += at_step < script.count ? script.steps[at_step].gap_us : 0;
        over_us = world.now_us + (int64_t)(draw(3) == 0 ? 40 : 1200) * 1000;
    }
    if (world.now_us < awake_us)
        return true;
    if (open_asked) {
        open_asked = false;
        put_gate(&code_room);
    }
    world_turn(draw(2));
    look_at_focus();
    return true;
}

static void live(void)
{
    static const int sizes[][2] = { { 80, 24 }, { 60, 16 }, { 44, 12 }, { 100, 30 } };
    static const struct script none;
    size_t size = draw(ARRAY_LEN(sizes));
    world_begin();
    world.w = sizes[size][0];
    world.h = sizes[size][1];
    script = none;
    at_step = gates = 0;
    next_char = 0;
    awake_us = over_us = 0;
    is_open = was_focused = life_ends = false;
    app.config.gate_confirm_hex = draw(6) == 0;
    (void)screen_run(&app, NULL, NULL);
    /* The end of a life is a denial, whatever was on its way. */
    record_decision();
    capsule_free((struct capsule *)(uintptr_t)world.capsule);
    world_end();
}

static const char *const fault_names[BREAK_COUNT] = { "nothing", "coverage", "arming", "hex",
                                                      "burst",   "capsule",  "signals" };

/* Until `wanted` runs are done, or a fault on purpose was found. */
static void run_lives(uint64_t wanted, enum broken fault)
{
    memset(&counted, 0, sizeof counted);
    broken = fault;
    runs_wanted = wanted;
    run_number = 0;
    script_seed(seed);
    while (counted.runs < runs_wanted && (fault == BREAK_NOTHING || counted.wrong == 0))
        live();
}

static bool report_runs(void)
{
    bool ok = counted.wrong == 0 && counted.approvals > counted.runs / 50;
    printf("# %llu runs, %llu keys, %llu pieces of noise, %llu frames; %llu approvals, %llu dry "
           "runs, %llu edits\n",
           (unsigned long long)counted.runs, (unsigned long long)counted.keys,
           (unsigned long long)counted.noise, (unsigned long long)counted.frames,
           (unsigned long long)counted.approvals, (unsigned long long)counted.dry_runs,
           (unsigned long long)counted.edits);
    printf("%s 1 - %llu random runs: %llu approvals without coverage, fresh keys or the right "
           "capsule\n",
           ok ? "ok" : "not ok", (unsigned long long)counted.runs,
           (unsigned long long)counted.wrong);
    return ok;
}

static bool report_fault(enum broken fault)
{
    printf("%s %d - a gate with the fault '%s' is found out (run %llu)\n",
           counted.wrong > 0 ? "ok" : "not ok", (int)fault + 1, fault_names[fault],
           (unsigned long long)counted.runs);
    return counted.wrong > 0;
}

int main(int argc, char **argv)
{
    char home[] = "/tmp/airlock-gate.XXXXXX";
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    if (setlocale(LC_ALL, "C.UTF-8") == NULL || mkdtemp(home) == NULL || clearenv() != 0)
        return 2;
    world.now_us = 100 * SECOND_US;
    app.opt.planner = "human";
    app.config = (struct config){ .sandbox = "local",
                                  .theme = "default",
                                  .language = "python",
                                  .planner = "human",
                                  .gate_arm_ms = 500,
                                  .gate_expire_min = 10 };
    app.paths.state_dir = home;
    buf_init(&code_room, 1 << 16);
    contract_init(&app.contract);
    printf("TAP version 13\n1..%d\n", BREAK_COUNT);
    run_lives(count, BREAK_NOTHING);
    bool ok = report_runs();
    for (int fault = BREAK_NOTHING + 1; fault < BREAK_COUNT; fault++) {
        run_lives(20000, (enum broken)fault);
        ok = report_fault((enum broken)fault) && ok;
    }
    buf_release(&code_room);
    contract_release(&app.contract);
    char *history = xasprintf("%s/history", home);
    unlink(history);
    free(history);
    rmdir(home);
    return ok ? 0 : 1;
}
