/* oracle.c - see oracle.h. */
#include "gate/oracle.h"

#include <stdio.h>
#include <string.h>

#define LOG_MAX 4096

enum entry_kind { KEY, NOISE, DISTURBANCE, FRAME, FRAME_WITHOUT };
struct entry {
    enum entry_kind kind;
    uint32_t ch;
    int64_t at_us;
};
static struct entry entries[LOG_MAX];
static size_t count;
static struct oracle_gate gate;
static bool is_open;
static int64_t opened_us;
static uint64_t seen_in[0x10000]; /* by character: the gate that it was seen in */
static uint64_t serial;
static bool row_seen[8];

static void note(enum entry_kind kind, uint32_t ch, int64_t at_us)
{
    /* A frame after a frame says nothing new. */
    if (count > 0 && kind == entries[count - 1].kind && kind >= FRAME)
        return;
    if (count == LOG_MAX) {
        memmove(entries, entries + LOG_MAX / 2, sizeof entries / 2);
        count = LOG_MAX / 2;
    }
    entries[count++] = (struct entry){ kind, ch, at_us };
}

void oracle_gate_opens(const struct oracle_gate *g, int64_t now_us)
{
    gate = *g;
    is_open = true;
    opened_us = now_us;
    serial++;
    memset(row_seen, 0, sizeof row_seen);
    note(DISTURBANCE, 0, now_us);
}

void oracle_gate_closes(void)
{
    is_open = false;
}

void oracle_key(uint32_t ch, int64_t at_us)
{
    note(KEY, ch, at_us);
}

void oracle_noise(int64_t at_us)
{
    note(NOISE, 0, at_us);
}

void oracle_disturbance(int64_t at_us)
{
    note(DISTURBANCE, 0, at_us);
}

/* ---- frames ---- */

/* ASCII of a row, anything else as a blank. */
static void row_text(const struct grid *g, int y, char out[GRID_SIDE_MAX + 1])
{
    for (int x = 0; x < g->w; x++) {
        uint32_t cp = g->cells[y * g->w + x].cp;
        out[x] = cp > ' ' && cp < 0x7f ? (char)cp : ' ';
    }
    out[g->w] = '\0';
}

void oracle_frame(const struct grid *g, bool focused, int64_t at_us)
{
    static char text[GRID_SIDE_MAX + 1];
    char name[16];
    bool shown = false;
    if (!is_open)
        return;
    snprintf(name, sizeof name, "%.4s-%.4s", gate.hex, gate.hex + 4);
    for (int y = 0; y < g->h; y++) {
        row_text(g, y, text);
        shown = shown || strstr(text, name) != NULL;
        for (size_t i = 0; i < gate.row_count; i++)
            row_seen[i] = row_seen[i] || strstr(text, gate.rows[i]) != NULL;
        for (int x = 0; x < g->w; x++) {
            uint32_t cp = g->cells[y * g->w + x].cp;
            if (cp > 0x7f && cp < ARRAY_LEN(seen_in))
                seen_in[cp] = serial;
        }
    }
    note(shown && focused ? FRAME : FRAME_WITHOUT, 0, at_us);
}

bool oracle_all_seen(void)
{
    for (size_t i = 0; i < gate.char_count; i++) {
        if (seen_in[gate.chars[i]] != serial)
            return false;
    }
    for (size_t i = 0; i < gate.row_count; i++) {
        if (!row_seen[i])
            return false;
    }
    return true;
}

/* ---- judging ---- */

/* Was the gate armed when entry `until` came? Armed: focused and shown whole, then ORACLE_ARM_US
 * without input; from then on keys leave it so. */
static bool was_armed(size_t until)
{
    bool painted = false, armed = false, visible = false;
    int64_t quiet_us = 0;
    for (size_t i = 0; i < until; i++) {
        const struct entry *k = &entries[i];
        bool waited = painted && k->at_us - quiet_us >= ORACLE_ARM_US;
        switch (k->kind) {
        case KEY:
            armed = armed || waited;
            quiet_us = armed ? quiet_us : k->at_us;
            break;
        case NOISE:
            armed = false;
            quiet_us = k->at_us;
            break;
        case DISTURBANCE:
            armed = painted = false;
            break;
        case FRAME:
            quiet_us = painted ? quiet_us : k->at_us;
            painted = visible = true;
            break;
        case FRAME_WITHOUT:
            visible = false;
            break;
        }
    }
    return visible && painted && (armed || entries[until].at_us - quiet_us >= ORACLE_ARM_US);
}

/* The keys `want` were the last input, the frames between them do not count. *first is the place of
 * the first. */
static bool ends_in_keys(const char *want, size_t *first)
{
    size_t at = count;
    for (size_t n = strlen(want); n > 0; n--) {
        while (at > 0 && entries[at - 1].kind >= FRAME)
            at--;
        if (at == 0 || entries[at - 1].kind != KEY ||
            entries[at - 1].ch != (unsigned char)want[n - 1])
            return false;
        at--;
    }
    *first = at;
    return true;
}

static int64_t last_input_us(void)
{
    for (size_t i = count; i > 0; i--) {
        if (entries[i - 1].kind < FRAME)
            return entries[i - 1].at_us;
    }
    return INT64_MIN;
}

const char *oracle_judge(const struct round_decide *d, int64_t now_us)
{
    char want[16];
    size_t first;
    bool all = oracle_all_seen(), asks_hex = gate.high || gate.confirm_hex;
    char letter = d->decision == DECIDE_APPROVE ? 'a' : 'r';
    if (!is_open)
        return "no gate is open";
    if (strcmp(d->capsule, gate.hex) != 0)
        return "another capsule than the one at the gate";
    snprintf(want, sizeof want, "%cunread%.*s", letter, asks_hex ? 2 : 0, gate.hex);
    bool waived = ends_in_keys(want, &first);
    snprintf(want, sizeof want, "%c%.*s", letter, asks_hex ? 2 : 0, gate.hex);
    if (!waived && !all)
        return "not every character was on the screen";
    if (!waived && !ends_in_keys(want, &first))
        return "the last input was not the keys it takes";
    if (!all && d->decision == DECIDE_APPROVE && d->unseen_lines == 0)
        return "unread, and not recorded as partial";
    if (!was_armed(first))
        return "the gate was not armed when the key was pressed";
    if (now_us - last_input_us() < ORACLE_SETTLE_US)
        return "the key did not stand alone";
    if (now_us - opened_us >= ORACLE_EXPIRE_US)
        return "the gate had expired";
    return NULL;
}

void oracle_print(void)
{
    static const char *const names[] = { "key", "noise", "disturbance", "frame with the gate",
                                         "frame without" };
    for (size_t i = count > 60 ? count - 60 : 0; i < count; i++)
        printf("# %12lld us  %s %c\n", (long long)entries[i].at_us, names[entries[i].kind],
               entries[i].ch > ' ' && entries[i].ch < 0x7f ? (char)entries[i].ch : ' ');
    printf("# gate %.8s%s, opened %lld us, %s\n", gate.hex, gate.high ? " HIGH" : "",
           (long long)opened_us, oracle_all_seen() ? "all seen" : "not all seen");
    for (size_t i = 0; i < gate.char_count; i++) {
        if (seen_in[gate.chars[i]] != serial)
            printf("# not seen: character %zu of %zu, U+%04X\n", i, gate.char_count, gate.chars[i]);
    }
    for (size_t i = 0; i < gate.row_count; i++)
        printf("# row %s %s\n", gate.rows[i], row_seen[i] ? "seen" : "not seen");
}
