/* gate.h - the approval gate's own rules: arming, coverage, keys, expiry. Pure: keys and time come
 * in, an action comes out, so every state × key can be tested without a terminal. [architecture §4,
 * interface.md "Keys and focus", APR-6…14]
 *
 * One gate is one (capsule, rev). It is armed only after a full paint while focused plus 500 ms
 * without any input byte, and once its owner has looked at the end of that time and found no input
 * waiting (gate_tick): a key is as old as its press, not as its reading. Every key before that is
 * discarded and restarts the wait. Armed it stays so until gate_disturb, gate_covered, a focus
 * change or a GATE_KEY_OTHER. `a` approves when every line has been
 * on screen and no finding is HIGH; with HIGH it asks for the first two hex digits of the capsule;
 * unseen lines ask for the typed word `unread`, and where both hold for the word first. A dry run
 * executes the same bytes, so `r` asks the same questions. A wrong or any other key at a question
 * cancels it and does nothing else (^C there denies, as everywhere in the gate). Enter, space, y,
 * n, digits, ^D, mouse, paste and unknown sequences never decide.
 */
#ifndef AIRLOCK_TOOL_GATE_H
#define AIRLOCK_TOOL_GATE_H

#include "base/buf.h"

#define GATE_ARM_US_DEFAULT    500000
#define GATE_ARM_US_MIN        250000
#define GATE_EXPIRE_US_DEFAULT 600000000 /* 10 min of CLOCK_BOOTTIME */
#define GATE_SLEPT_US_MAX      60000000  /* a machine that was suspended longer: begin anew */

enum gate_action {
    GATE_NOTHING,   /* key had no meaning here */
    GATE_DISCARDED, /* not armed: thrown away */
    GATE_APPROVE,
    GATE_EDIT,
    GATE_EXPECT,
    GATE_DENY,
    GATE_DENY_SILENT /* ^C */,
    GATE_DRY_RUN,
    GATE_NO_DRY_RUN, /* there is none here: say why */
    GATE_LEASE,
    GATE_STOP,
    GATE_WHY,
    GATE_LEAVE,
    GATE_SCROLL /* see gate_scroll() */,
    GATE_PROMPTED /* waiting for hex or `unread` (more of it): redraw */,
    GATE_CANCELLED /* hex or word was wrong: nothing happened */,
    GATE_EXPIRED
};
enum gate_prompt { GATE_PROMPT_NONE, GATE_PROMPT_HEX, GATE_PROMPT_UNREAD };

/* Keys as the decoder names them. Anything that is not a single fresh key press is KEY_OTHER and
 * counts as input only. */
enum gate_key_kind {
    GATE_KEY_CHAR,
    GATE_KEY_UP,
    GATE_KEY_DOWN,
    GATE_KEY_PGUP,
    GATE_KEY_PGDN,
    GATE_KEY_HOME,
    GATE_KEY_END,
    GATE_KEY_ESC,
    GATE_KEY_TAB,
    GATE_KEY_CTRL_C,
    GATE_KEY_ENTER,
    GATE_KEY_BACKSPACE,
    GATE_KEY_OTHER
};

struct gate {
    bool open, focused, high, painted, confirm_hex_always, no_dry_run;
    bool armed; /* gate_tick saw the quiet time end */
    uint32_t run, rev;
    char capsule_hex[65];
    size_t line_count; /* display rows that must be seen, code + attachments */
    uint8_t *seen;     /* one bit a row */
    size_t seen_count;
    int64_t arm_us, expire_us;
    int64_t opened_boot_us,
        quiet_since_us; /* boot time of the last input or repaint while focused */
    enum gate_prompt prompt;
    enum gate_action asked; /* what the prompt leads to: GATE_APPROVE or GATE_DRY_RUN */
    bool read_waived;       /* `unread` was typed: record reviewed=partial with the unseen count */
    char typed[8];
    size_t typed_len;
};

/* `g` is zeroed once by its owner; arm_us, expire_us, confirm_hex_always and no_dry_run are the
 * owner's settings and stay (0 = the default, less than GATE_ARM_US_MIN = that). Opening closes the
 * gate before. */
void gate_open(struct gate *g, uint32_t run, uint32_t rev, const char *capsule_hex, bool high,
               size_t line_count, int64_t now_us);
void gate_close(struct gate *g);
void gate_focus(struct gate *g, bool on, int64_t now_us);
/* A frame was written out completely with rows [first, first+count) of the code visible in it. */
void gate_painted(struct gate *g, size_t first, size_t count, int64_t now_us);
/* What is on the screen now is not the gate (too small, another page, given to another program): it
 * must be painted anew before it arms. */
void gate_covered(struct gate *g, int64_t now_us);
/* The machine was suspended for so long: whoever pressed a key before is perhaps not who sits there
 * now, so the gate must be painted and arm anew, and beyond GATE_SLEPT_US_MAX be read anew. [APR-6]
 */
void gate_slept(struct gate *g, int64_t slept_us, int64_t now_us);
/* Any input byte, resize, SIGCONT: restart the quiet time. */
void gate_disturb(struct gate *g, int64_t now_us);
/* No input waits: arms the gate when its time has come. */
void gate_tick(struct gate *g, int64_t now_us);
bool gate_is_armed(const struct gate *g, int64_t now_us);
int64_t
gate_arms_at_us(const struct gate *g); /* for the redraw timer; -1 when it will not by itself */
bool gate_all_seen(const struct gate *g);
enum gate_action gate_key(struct gate *g, enum gate_key_kind kind, uint32_t ch, int64_t now_us);
bool gate_has_expired(const struct gate *g, int64_t now_us);
/* After GATE_SCROLL: the row to show first, when `top` is it now and `page` rows fit. */
size_t gate_scroll(const struct gate *g, enum gate_key_kind kind, uint32_t ch, size_t top,
                   size_t page);

/* ---- lease: pure rules. Covers a run only while … [architecture §4] ---- */
struct lease_question {
    bool fields_enforced; /* network, files, timeout_s, ttl_s, output_mib all ENFORCED */
    bool network_denied, mounts_rw, high_finding, budget_ok;
    uint32_t high_line;
    bool active, in_step;
    int64_t runs_left /* -1 */, until_boot_us /* 0 */, now_boot_us;
};
/* NULL = covered; else the reason in words ("HIGH line 7: not covered by the lease"), static or in
 * `room`. */
const char *lease_refusal(const struct lease_question *q, char *room, size_t size);

#endif
