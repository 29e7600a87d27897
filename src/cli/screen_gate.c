/* screen_gate.c - the gate on the screen: what it shows, when it takes the focus, what its keys do.
 * The rules themselves are tool/gate.c. A decision is carried out only when its key stood alone for
 * SETTLE_US, so that no burst can approve. */
#include "cli/editor.h"
#include "cli/pastgate.h"
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tool/capsule.h"
#include "tool/contract.h"
#include "tool/gate_rows.h"

/* ---- what it shows ---- */

static const char *keep(struct buf *room, const char *text, size_t len)
{
    size_t at = room->len;
    (void)buf_add(room, text, len);
    (void)buf_add_char(room, '\0');
    return room->ptr + at;
}

static void fill_contract(struct screen *s)
{
    const struct round *r = screen_round(s);
    const struct contract *c = round_contract(r);
    const struct contract_enforcement *en = round_enforcement(r);
    struct buf value = BUF_INIT(8 << 10);
    buf_reset(&s->contract_text);
    /* Pointers into the buffer are taken only after it has grown: reserve first. */
    (void)buf_reserve(&s->contract_text, 64 << 10);
    for (int i = 0; i < FIELD_COUNT; i++) {
        buf_reset(&value);
        contract_field_value(c, (enum contract_field)i, &value);
        s->contract[i] = (struct view_contract_line){
            .field = contract_field_name((enum contract_field)i),
            .value = keep(&s->contract_text, buf_str(&value), value.len),
            .how = en->field[i].how,
            .why = keep(&s->contract_text, en->field[i].why, strlen(en->field[i].why)),
        };
    }
    buf_release(&value);
    s->vm.gate.contract = s->contract;
    s->vm.gate.contract_count = FIELD_COUNT;
}

static void add_attachment(void *arg, const char *text)
{
    struct screen *s = arg;
    s->attachments = xreallocarray(s->attachments, s->attachment_count + 1, sizeof *s->attachments);
    s->attachments[s->attachment_count++] = (struct view_attachment){ .text = xstrdup(text) };
}

static void drop_attachments(struct screen *s)
{
    for (size_t i = 0; i < s->attachment_count; i++)
        free((char *)(uintptr_t)s->attachments[i].text);
    free(s->attachments);
    s->attachments = NULL;
    s->attachment_count = 0;
}

/* Everything of the capsule that is not its code is a row of its own, and must be seen as well.
 * [APR-7] */
static void fill_attachments(struct screen *s)
{
    const struct capsule *capsule = round_gate_capsule(screen_round(s));
    drop_attachments(s);
    if (capsule == NULL)
        return;
    gate_each_row(capsule, round_contract(screen_round(s)), add_attachment, s);
    s->vm.gate.attachments = s->attachments;
    s->vm.gate.attachment_count = s->attachment_count;
}

static void fill_lines(struct screen *s)
{
    const struct state *st = screen_state(s);
    const struct sandbox_ops *ops = sandbox_choose(st->sandbox, st->image, NULL);
    static char title[160], state_line[96], no_lease[160];
    snprintf(title, sizeof title, "%s · %s", ops->name, ops->isolation);
    past_gate_from(st, state_line, sizeof state_line);
    s->vm.gate.sandbox_title = title;
    s->vm.gate.state_line = state_line;
    s->vm.gate.no_dry_run = round_no_dry_run(screen_round(s));
    s->vm.gate.no_lease = round_no_lease(screen_round(s), no_lease, sizeof no_lease);
    s->gate.no_dry_run = s->vm.gate.no_dry_run != NULL;
    s->vm.gate.held_by = ops->held_by;
    s->vm.gate.checked_only = (ops->caps & SANDBOX_IS_CHECKED_ONLY) != 0;
}

static void fill_why(struct screen *s, const char *why)
{
    const struct state *st = screen_state(s);
    const struct state_run *sr = state_run_at(st, st->gate.run);
    uint32_t same = 0, denied = 0;
    buf_reset(&s->why_text);
    if (why[0] != '\0')
        (void)buf_addf(&s->why_text, "asked because: %s\n", why);
    for (size_t i = 0; i < sr->finding_count; i++) {
        const struct state_finding *f = &sr->findings[i];
        (void)buf_addf(&s->why_text, "%s ", severity_name(f->severity));
        if (f->line != 0) /* else it is about all of it */
            (void)buf_addf(&s->why_text, "line %u ", f->line);
        (void)buf_addf(&s->why_text, "%s: %s\n", f->rule, f->text);
    }
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *o = st->runs[i];
        if (o->number == sr->number || o->finding_count == 0 || sr->finding_count == 0 ||
            strcmp(o->findings[0].rule, sr->findings[0].rule) != 0)
            continue;
        same++;
        denied += o->status == RUN_DENIED;
    }
    if (same > 0)
        (void)buf_addf(&s->why_text, "history: %u of %u runs with this finding were denied\n",
                       denied, same);
    (void)buf_addf(&s->why_text, "capsule %s\ncontract %s\n", st->gate.capsule,
                   st->gate.contract_digest);
    (void)buf_addf(
        &s->why_text,
        "The review only informs. What holds is the contract: trust the walls, not the reading.");
}

/* Was the machine suspended since the gate was last looked at? Then what was read and pressed
 * before counts no more. [APR-6] */
static bool has_slept(struct screen *s)
{
    int64_t slept_us = clock_slept_us(), more_us = slept_us - s->slept_us;
    if (!s->gate.open || more_us < SLEPT_US)
        return false;
    s->slept_us = slept_us;
    s->pending = GATE_NOTHING;
    gate_slept(&s->gate, more_us, clock_boot_us());
    if (more_us > GATE_SLEPT_US_MAX)
        screen_toast(s, TONE_WAIT, "the machine was asleep: the code is to be read again");
    screen_changed(s);
    return true;
}

/* ---- opening, closing ---- */

static void arm_timer(struct screen *s)
{
    int64_t now = clock_boot_us(), at = gate_arms_at_us(&s->gate);
    if (!s->gate.open) {
        loop_arm_us(s->app->loop, s->gate_timer, -1);
        return;
    }
    int64_t expires = s->gate.opened_boot_us + s->gate.expire_us;
    int64_t due = at < 0 || s->gate.armed ? expires : at;
    loop_arm_us(s->app->loop, s->gate_timer, due > now ? due - now : 0);
}

static bool may_take_focus(const struct screen *s)
{
    size_t len;
    prompt_line(&len, NULL);
    return len == 0 && s->block.len == 0 && s->use == USE_MAIN && s->vm.screen == SCREEN_SESSION &&
           clock_boot_us() - s->last_key_us >= QUIET_US;
}

void screen_gate_open(struct screen *s, const char *why)
{
    const struct state *st = screen_state(s);
    const struct state_run *sr = state_run_at(st, st->gate.run);
    int64_t now = clock_boot_us();
    bool high = sr->finding_count > 0 && sr->worst == SEVERITY_HIGH;
    bool was_here = s->vm.focus == PANE_GATE;
    screen_page_close(s);
    fill_contract(s);
    fill_attachments(s);
    fill_lines(s);
    fill_why(s, why);
    gate_open(&s->gate, sr->number, sr->rev, st->gate.capsule, high,
              view_gate_units(sr, s->attachment_count), now);
    s->slept_us = clock_slept_us();
    s->vm.gate.gate = &s->gate;
    s->vm.gate.why = NULL;
    s->why_open = false;
    s->vm.run = 0;
    s->vm.show_result = false;
    s->vm.scroll[PANE_CODE] = (struct view_scroll){ .selected = -1 };
    s->vm.diff_code = s->vm.diff_output = VIEW_DIFF_AUTO;
    s->vm.base = 0;
    s->pending = GATE_NOTHING;
    if (was_here || may_take_focus(s)) {
        /* What was typed before it could be read belongs to nobody. [APR-9] */
        term_flush_input(s->term);
        key_flush(&s->keys);
        screen_gate_focus(s, true);
    }
    arm_timer(s);
    screen_changed(s);
}

void screen_gate_sync(struct screen *s)
{
    const struct state *st = screen_state(s);
    if (!s->gate.open || (st->gate.open && strcmp(st->gate.capsule, s->gate.capsule_hex) == 0))
        return;
    gate_close(&s->gate);
    s->vm.gate.gate = NULL;
    s->pending = GATE_NOTHING;
    if (s->use == USE_DENY || s->use == USE_EXPECT || s->use == USE_LEASE)
        screen_prompt_done(s);
    if (s->vm.focus == PANE_GATE)
        screen_focus(s, PANE_PROMPT);
    arm_timer(s);
}

void screen_gate_release(struct screen *s)
{
    gate_close(&s->gate);
    drop_attachments(s);
}

void screen_gate_focus(struct screen *s, bool on)
{
    gate_focus(&s->gate, on, clock_boot_us());
    if (on)
        s->vm.focus = PANE_GATE;
    screen_changed(s);
}

/* Is the gate itself in the frame, so that the person sees what its keys decide? */
static bool is_in_frame(const struct screen *s)
{
    const struct layout *l = &s->info.layout;
    return s->vm.screen == SCREEN_SESSION && !l->too_small && l->pane[PANE_GATE].w > 0;
}

void screen_gate_painted(struct screen *s, bool shown)
{
    if (!s->gate.open)
        return;
    if (shown && is_in_frame(s))
        gate_painted(&s->gate, s->info.seen_first, s->info.seen_count, clock_boot_us());
    else
        gate_covered(&s->gate, clock_boot_us());
    arm_timer(s);
}

void screen_gate_deny(struct screen *s, const char *reason)
{
    struct err e = ERR_INIT;
    if (!s->gate.open || s->session == NULL)
        return;
    struct round_decide d = {
        .decision = DECIDE_DENY,
        .by = "person",
        .capsule = s->gate.capsule_hex,
        .reason = reason,
    };
    if (round_decide(screen_round(s), &d, &e) < 0)
        screen_fail(s, &e);
}

void screen_gate_timer(struct screen *s)
{
    if (!s->gate.open)
        return;
    if (gate_has_expired(&s->gate, clock_boot_us())) {
        char why[96];
        snprintf(why, sizeof why, "the gate was open for %lld min without a decision",
                 (long long)(s->gate.expire_us / 60000000));
        screen_gate_deny(s, why);
        screen_toast(s, TONE_WAIT, "%s: denied", why);
        return;
    }
    if (!has_slept(s) &&
        !term_input_waits(s->term)) /* else it comes first, and the wait begins anew */
        gate_tick(&s->gate, clock_boot_us());
    screen_changed(s); /* the keys light up */
    arm_timer(s);
}

/* ---- deciding ---- */

static void count_lines(const struct screen *s, size_t *seen, size_t *total)
{
    const struct state *st = screen_state(s);
    view_gate_lines(&s->gate, state_run_at(st, s->gate.run), s->attachment_count, seen, total);
}

static void decide(struct screen *s, enum round_decision decision, const char *reason)
{
    struct err e = ERR_INIT;
    size_t seen, total;
    count_lines(s, &seen, &total);
    struct round_decide d = {
        .decision = decision,
        .by = "person",
        .capsule = s->gate.capsule_hex,
        .reason = reason,
        .seen_lines = (uint32_t)seen,
        .unseen_lines = decision == DECIDE_APPROVE ? (uint32_t)(total - seen) : 0,
    };
    if (round_decide(screen_round(s), &d, &e) < 0)
        screen_fail(s, &e);
}

static char *expect_in_one_line(const struct state_run *sr)
{
    struct buf out = BUF_INIT((size_t)2 << 20);
    for (const char *p = sr->expect; *p != '\0'; p++) {
        if (*p == '\n')
            (void)buf_add_str(&out, p[1] != '\0' ? " ; " : "");
        else
            (void)buf_add_char(&out, *p);
    }
    return buf_detach(&out);
}

static void act(struct screen *s, enum gate_action a)
{
    const struct state_run *sr = state_run_at(screen_state(s), s->gate.run);
    char *text;
    switch (a) {
    case GATE_APPROVE:
        decide(s, DECIDE_APPROVE, "");
        break;
    case GATE_DRY_RUN:
        decide(s, DECIDE_DRY_RUN, "");
        break;
    case GATE_STOP:
        decide(s, DECIDE_STOP, "");
        break;
    case GATE_DENY_SILENT:
        decide(s, DECIDE_DENY, "");
        break;
    case GATE_DENY:
        screen_use_prompt(s, USE_DENY, "");
        break;
    case GATE_NO_DRY_RUN:
        screen_toast(s, TONE_WAIT, "no dry run here: %s", s->vm.gate.no_dry_run);
        break;
    case GATE_LEASE:
        if (s->vm.gate.no_lease != NULL)
            screen_toast(s, TONE_WAIT, "no lease here: %s", s->vm.gate.no_lease);
        else
            screen_use_prompt(s, USE_LEASE, "runs=5");
        break;
    case GATE_EXPECT:
        text = expect_in_one_line(sr);
        screen_use_prompt(s, USE_EXPECT, text);
        free(text);
        break;
    case GATE_EDIT:
        screen_edit_code(s);
        break;
    case GATE_WHY:
        s->why_open = !s->why_open;
        s->vm.gate.why = s->why_open ? buf_str(&s->why_text) : NULL;
        break;
    case GATE_LEAVE:
        screen_focus(s, PANE_CODE);
        break;
    case GATE_CANCELLED:
        screen_toast(s, TONE_WAIT, "not that: nothing was decided");
        break;
    case GATE_EXPIRED:
        screen_gate_timer(s);
        break;
    case GATE_NOTHING:
    case GATE_DISCARDED:
    case GATE_SCROLL:
    case GATE_PROMPTED:
        break;
    }
    screen_changed_by_key(s);
}

void screen_gate_settled(struct screen *s)
{
    (void)has_slept(s);
    enum gate_action a = s->pending;
    s->pending = GATE_NOTHING;
    /* Stopped or starved in the turn that read the key, we are late: what came since has not been
     * read, and then the key did not stand alone. */
    if (a != GATE_NOTHING && s->gate.open && !term_input_waits(s->term))
        act(s, a);
}

static bool is_decision(enum gate_action a)
{
    return a == GATE_APPROVE || a == GATE_DRY_RUN || a == GATE_STOP || a == GATE_DENY_SILENT;
}

static enum gate_key_kind key_kind(const struct key_event *ev)
{
    if (ev->kind != KEY_PRESS || ev->burst || (ev->key & KEYMAP_ALT))
        return GATE_KEY_OTHER;
    switch (ev->key) {
    case KEYMAP_UP:
        return GATE_KEY_UP;
    case KEYMAP_DOWN:
        return GATE_KEY_DOWN;
    case KEYMAP_PGUP:
        return GATE_KEY_PGUP;
    case KEYMAP_PGDN:
        return GATE_KEY_PGDN;
    case KEYMAP_HOME:
        return GATE_KEY_HOME;
    case KEYMAP_END:
        return GATE_KEY_END;
    case KEYMAP_ESC:
        return GATE_KEY_ESC;
    case KEYMAP_TAB:
    case KEYMAP_BACKTAB:
        return GATE_KEY_TAB;
    case KEYMAP_CTRL('C'):
        return GATE_KEY_CTRL_C;
    case KEYMAP_ENTER:
        return GATE_KEY_ENTER;
    case KEYMAP_BACKSPACE:
        return GATE_KEY_BACKSPACE;
    default:
        return ev->key < KEYMAP_SPECIAL ? GATE_KEY_CHAR : GATE_KEY_OTHER;
    }
}

static void scroll(struct screen *s, enum gate_key_kind kind, uint32_t ch)
{
    enum view_move move = MOVE_PAGE_DOWN;
    if (kind == GATE_KEY_UP)
        move = MOVE_UP;
    else if (kind == GATE_KEY_DOWN)
        move = MOVE_DOWN;
    else if (kind == GATE_KEY_PGUP)
        move = MOVE_PAGE_UP;
    else if (kind == GATE_KEY_HOME || (kind == GATE_KEY_CHAR && ch == 'g'))
        move = MOVE_TOP;
    else if (kind == GATE_KEY_END || (kind == GATE_KEY_CHAR && ch == 'G'))
        move = MOVE_BOTTOM;
    view_move(screen_state(s), &s->vm, s->grid.w, s->grid.h, PANE_GATE, move, 1);
}

void screen_gate_key(struct screen *s, const struct key_event *ev)
{
    int64_t now = clock_boot_us();
    enum gate_key_kind kind = now - s->gate_key_us < KEY_BURST_US ? GATE_KEY_OTHER : key_kind(ev);
    s->gate_key_us = now;
    s->pending = GATE_NOTHING;
    if (s->info.layout.too_small && kind == GATE_KEY_CTRL_C) {
        screen_gate_deny(s, ""); /* the one key that is told there */
        return;
    }
    (void)has_slept(s); /* then it is not armed any more */
    enum gate_action a = gate_key(&s->gate, kind, ev->key, now);
    if (a == GATE_SCROLL)
        scroll(s, kind, ev->key);
    if (is_decision(a)) {
        s->pending = a;
        loop_arm_us(s->app->loop, s->settle_timer, SETTLE_US);
    } else {
        act(s, a);
    }
    arm_timer(s);
    screen_changed_by_key(s);
}

void screen_edit_code(struct screen *s)
{
    struct err e = ERR_INIT;
    const struct state_run *sr = state_run_at(screen_state(s), s->gate.run);
    char name[64];
    struct buf text = BUF_INIT(CODE_MAX + 1);
    editor_name_code(name, sizeof name, sr->number, sr->language);
    if (screen_edit_text(s, name, sr->code, sr->code_len, &text, &e) < 0 ||
        round_edit(screen_round(s), buf_str(&text), text.len, NULL, &e) < 0)
        screen_fail(s, &e);
    buf_release(&text);
}
