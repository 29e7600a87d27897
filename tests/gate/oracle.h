/* oracle.h - what an approval needs, kept apart from the program: which keys a person pressed and
 * when they left the fingers, what stood in the cells of the screen, and which capsule is at the
 * gate. It reads no field of struct gate. [APR-7…11]
 */
#ifndef AIRLOCK_TESTS_GATE_ORACLE_H
#define AIRLOCK_TESTS_GATE_ORACLE_H

#include "cli/screen_int.h"

#define ORACLE_ARM_US    500000
#define ORACLE_SETTLE_US 30000
#define ORACLE_EXPIRE_US INT64_C(600000000)
#define ORACLE_CHARS_MAX 128

/* A gate: every visible character of its code is one that stands nowhere else. */
struct oracle_gate {
    char hex[65];
    bool high, confirm_hex;
    uint32_t chars[ORACLE_CHARS_MAX];
    size_t char_count;
    char rows[8][24]; /* attachments: words that stand nowhere else */
    size_t row_count;
};

void oracle_gate_opens(const struct oracle_gate *g, int64_t now_us);
void oracle_gate_closes(void);

/* One key press of a person, alone. */
void oracle_key(uint32_t ch, int64_t at_us);
/* Input that is no single key press: a paste, a burst, the mouse, a report, a split sequence. */
void oracle_noise(int64_t at_us);
/* A resize, SIGCONT, the focus comes or goes, a stop, a flush of what waited. */
void oracle_disturbance(int64_t at_us);
void oracle_frame(const struct grid *g, bool focused, int64_t at_us);

/* NULL: this decision is a person's. Else why it is not. */
const char *oracle_judge(const struct round_decide *d, int64_t now_us);
/* Every row and character of the gate was on a frame. */
bool oracle_all_seen(void);
void oracle_print(void); /* the log, for a finding */

#endif
