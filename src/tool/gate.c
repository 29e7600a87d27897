/* gate.c - arming, coverage, keys and expiry of the approval gate, and what a lease covers. */
#include "tool/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char unread_word[] = "unread";

static void drop_prompt(struct gate *g)
{
    g->prompt = GATE_PROMPT_NONE;
    g->asked = GATE_NOTHING;
    g->read_waived = false;
    g->typed_len = 0;
    g->typed[0] = '\0';
}

void gate_close(struct gate *g)
{
    free(g->seen);
    g->seen = NULL;
    g->open = g->focused = g->painted = g->armed = g->high = false;
    g->seen_count = g->line_count = 0;
    g->run = g->rev = 0;
    g->capsule_hex[0] = '\0';
    drop_prompt(g);
}

void gate_open(struct gate *g, uint32_t run, uint32_t rev, const char *capsule_hex, bool high,
               size_t line_count, int64_t now_us)
{
    gate_close(g);
    g->open = true;
    g->run = run;
    g->rev = rev;
    g->high = high;
    g->line_count = line_count;
    g->seen = xcalloc(line_count / 8 + 1, 1);
    snprintf(g->capsule_hex, sizeof g->capsule_hex, "%s", capsule_hex);
    if (g->arm_us <= 0)
        g->arm_us = GATE_ARM_US_DEFAULT;
    if (g->arm_us < GATE_ARM_US_MIN)
        g->arm_us = GATE_ARM_US_MIN;
    if (g->expire_us <= 0)
        g->expire_us = GATE_EXPIRE_US_DEFAULT;
    g->opened_boot_us = g->quiet_since_us = now_us;
}

void gate_focus(struct gate *g, bool on, int64_t now_us)
{
    if (on == g->focused || !g->open)
        return;
    g->focused = on;
    gate_covered(g, now_us); /* it must be painted again, focused, before it arms */
}

void gate_painted(struct gate *g, size_t first, size_t count, int64_t now_us)
{
    if (!g->open)
        return;
    for (size_t row = first; row < g->line_count && row - first < count; row++) {
        uint8_t bit = (uint8_t)(1u << (row % 8));
        g->seen_count += (g->seen[row / 8] & bit) == 0;
        g->seen[row / 8] |= bit;
    }
    if (g->focused && !g->painted) {
        g->painted = true;
        g->quiet_since_us = now_us;
    }
}

void gate_covered(struct gate *g, int64_t now_us)
{
    g->painted = false;
    gate_disturb(g, now_us);
}

void gate_slept(struct gate *g, int64_t slept_us, int64_t now_us)
{
    if (!g->open || slept_us <= 0)
        return;
    if (slept_us > GATE_SLEPT_US_MAX) {
        memset(g->seen, 0, g->line_count / 8 + 1);
        g->seen_count = 0;
    }
    gate_covered(g, now_us);
}

void gate_disturb(struct gate *g, int64_t now_us)
{
    g->quiet_since_us = now_us;
    g->armed = false;
    drop_prompt(g);
}

void gate_tick(struct gate *g, int64_t now_us)
{
    int64_t at = gate_arms_at_us(g);
    g->armed = at >= 0 && now_us >= at;
}

int64_t gate_arms_at_us(const struct gate *g)
{
    if (!g->open || !g->focused || !g->painted)
        return -1;
    return g->quiet_since_us + g->arm_us;
}

bool gate_is_armed(const struct gate *g, int64_t now_us)
{
    return g->armed && !gate_has_expired(g, now_us);
}

bool gate_all_seen(const struct gate *g)
{
    return g->open && g->seen_count == g->line_count;
}

bool gate_has_expired(const struct gate *g, int64_t now_us)
{
    return g->open && now_us - g->opened_boot_us >= g->expire_us;
}

/* ---- the questions before an approval or a dry run ---- */

static enum gate_action ask(struct gate *g, enum gate_prompt what)
{
    g->prompt = what;
    g->typed_len = 0;
    g->typed[0] = '\0';
    return GATE_PROMPTED;
}

/* Ask what is still to be asked, or give the action. */
static enum gate_action proceed(struct gate *g)
{
    enum gate_action action = g->asked;
    if (!gate_all_seen(g) && !g->read_waived)
        return ask(g, GATE_PROMPT_UNREAD);
    if ((g->high || g->confirm_hex_always) && g->prompt != GATE_PROMPT_HEX)
        return ask(g, GATE_PROMPT_HEX);
    g->prompt = GATE_PROMPT_NONE;
    g->asked = GATE_NOTHING;
    return action;
}

static enum gate_action begin(struct gate *g, enum gate_action action)
{
    drop_prompt(g);
    g->asked = action;
    return proceed(g);
}

static enum gate_action answer(struct gate *g, enum gate_key_kind kind, uint32_t ch)
{
    const char *word = g->prompt == GATE_PROMPT_HEX ? g->capsule_hex : unread_word;
    size_t len = g->prompt == GATE_PROMPT_HEX ? 2 : sizeof unread_word - 1;
    if (kind != GATE_KEY_CHAR || ch != (unsigned char)word[g->typed_len]) {
        drop_prompt(g);
        return kind == GATE_KEY_CTRL_C ? GATE_DENY_SILENT : GATE_CANCELLED;
    }
    g->typed[g->typed_len++] = (char)ch;
    g->typed[g->typed_len] = '\0';
    if (g->typed_len < len)
        return GATE_PROMPTED;
    if (g->prompt == GATE_PROMPT_UNREAD)
        g->read_waived = true;
    return proceed(g);
}

/* ---- keys ---- */

static enum gate_action char_action(struct gate *g, uint32_t ch)
{
    switch (ch) {
    case 'a':
        return begin(g, GATE_APPROVE);
    case 'r':
        return g->no_dry_run ? GATE_NO_DRY_RUN : begin(g, GATE_DRY_RUN);
    case 'e':
        return GATE_EDIT;
    case 'E':
        return GATE_EXPECT;
    case 'd':
        return GATE_DENY;
    case 'l':
        return GATE_LEASE;
    case 'x':
        return GATE_STOP;
    case 'w':
        return GATE_WHY;
    case ' ':
    case 'g':
    case 'G':
        return GATE_SCROLL;
    default:
        return GATE_NOTHING;
    }
}

static enum gate_action armed_action(struct gate *g, enum gate_key_kind kind, uint32_t ch)
{
    if (g->prompt != GATE_PROMPT_NONE)
        return answer(g, kind, ch);
    switch (kind) {
    case GATE_KEY_CHAR:
        return char_action(g, ch);
    case GATE_KEY_UP:
    case GATE_KEY_DOWN:
    case GATE_KEY_PGUP:
    case GATE_KEY_PGDN:
    case GATE_KEY_HOME:
    case GATE_KEY_END:
        return GATE_SCROLL;
    case GATE_KEY_ESC:
    case GATE_KEY_TAB:
        return GATE_LEAVE;
    case GATE_KEY_CTRL_C:
        return GATE_DENY_SILENT;
    case GATE_KEY_ENTER:
    case GATE_KEY_BACKSPACE:
    case GATE_KEY_OTHER:
        break;
    }
    return GATE_NOTHING;
}

enum gate_action gate_key(struct gate *g, enum gate_key_kind kind, uint32_t ch, int64_t now_us)
{
    if (!g->open)
        return GATE_NOTHING;
    if (gate_has_expired(g, now_us)) {
        drop_prompt(g);
        return GATE_EXPIRED;
    }
    if (!g->focused)
        return GATE_NOTHING;
    if (!gate_is_armed(g, now_us)) {
        gate_disturb(g, now_us);
        return GATE_DISCARDED;
    }
    if (kind == GATE_KEY_OTHER) {
        /* A paste, a burst, a terminal's report: who sent it is not sure, so wait again. */
        bool asked = g->prompt != GATE_PROMPT_NONE;
        gate_disturb(g, now_us);
        return asked ? GATE_CANCELLED : GATE_DISCARDED;
    }
    return armed_action(g, kind, ch);
}

size_t gate_scroll(const struct gate *g, enum gate_key_kind kind, uint32_t ch, size_t top,
                   size_t page)
{
    size_t last = g->line_count > page ? g->line_count - page : 0;
    size_t step = page > 1 ? page - 1 : 1; /* one row stays, so that nothing is skipped */
    size_t to = top;
    if (kind == GATE_KEY_UP)
        to = top > 0 ? top - 1 : 0;
    else if (kind == GATE_KEY_DOWN)
        to = top + 1;
    else if (kind == GATE_KEY_PGUP)
        to = top > step ? top - step : 0;
    else if (kind == GATE_KEY_PGDN || (kind == GATE_KEY_CHAR && ch == ' '))
        to = top + step;
    else if (kind == GATE_KEY_HOME || (kind == GATE_KEY_CHAR && ch == 'g'))
        to = 0;
    else if (kind == GATE_KEY_END || (kind == GATE_KEY_CHAR && ch == 'G'))
        to = last;
    return to < last ? to : last;
}

/* ---- lease ---- */

const char *lease_refusal(const struct lease_question *q, char *room, size_t size)
{
    if (!q->active)
        return "no lease is granted";
    if (q->high_finding) {
        snprintf(room, size, "HIGH line %u: not covered by the lease", q->high_line);
        return room;
    }
    if (q->runs_left == 0)
        return "the lease has no runs left";
    if (q->until_boot_us != 0 && q->now_boot_us >= q->until_boot_us)
        return "the lease has run out of time";
    if (!q->in_step)
        return "the lease was granted for another step";
    if (!q->network_denied)
        return "the network is not denied: not covered by the lease";
    if (q->mounts_rw)
        return "a directory is mounted read-write: not covered by the lease";
    if (!q->fields_enforced)
        return "this sandbox can't enforce network, files, timeout_s, ttl_s and output_mib: not "
               "covered by the lease";
    if (!q->budget_ok)
        return "the budget does not hold: not covered by the lease";
    return NULL;
}
