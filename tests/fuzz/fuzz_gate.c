/* fuzz_gate.c - no sequence of keys, paints, focus changes and time brings out an approval or a dry
 * run unless all rows were seen (or `unread` typed), the gate was armed, and the hex typed when
 * asked.
 *
 * Input: first byte settings, then pairs of bytes, what and how much.
 */
#include <stdio.h>
#include <string.h>

#include "tool/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char hex[] = "3c91a2000000000000000000000000000000000000000000000000000000000b";

/* What is known of the last keys, independent of the machine. */
struct account {
    bool seen[8], focused, painted;
    size_t rows;
    int64_t quiet_since, now;
    char keys[10];
};

static void forget_keys(struct account *a)
{
    memset(a->keys, 0, sizeof a->keys);
}

static void note_key(struct account *a, enum gate_key_kind kind, uint32_t ch)
{
    bool armed = a->focused && a->painted && a->now - a->quiet_since >= GATE_ARM_US_DEFAULT;
    if (!armed || kind == GATE_KEY_OTHER)
        a->quiet_since = a->focused ? a->now : a->quiet_since;
    if (!armed || kind != GATE_KEY_CHAR) {
        forget_keys(a);
        return;
    }
    memmove(a->keys, a->keys + 1, sizeof a->keys - 1);
    a->keys[sizeof a->keys - 1] = (char)ch;
}

static bool ends_with(const struct account *a, const char *want)
{
    size_t n = strlen(want);
    return memcmp(a->keys + sizeof a->keys - n, want, n) == 0;
}

static void check_action(const struct account *a, const struct gate *g, enum gate_action action)
{
    bool all = true;
    char want[16] = "";
    if (action != GATE_APPROVE && action != GATE_DRY_RUN)
        return;
    for (size_t i = 0; i < a->rows; i++)
        all = all && a->seen[i];
    snprintf(want, sizeof want, "%c%s%s", action == GATE_APPROVE ? 'a' : 'r', all ? "" : "unread",
             g->high || g->confirm_hex_always ? "3c" : "");
    INVARIANT(ends_with(a, want));
    INVARIANT(a->focused && a->painted && a->now - a->quiet_since >= GATE_ARM_US_DEFAULT);
    INVARIANT(a->now < GATE_EXPIRE_US_DEFAULT);
}

static void paint(struct account *a, struct gate *g, uint8_t how)
{
    size_t first = how & 7, count = (how >> 3) & 7;
    for (size_t i = first; i < a->rows && i < first + count; i++)
        a->seen[i] = true;
    if (a->focused && !a->painted) {
        a->painted = true;
        a->quiet_since = a->now;
    }
    gate_painted(g, first, count, a->now);
}

static void focus(struct account *a, struct gate *g, bool on)
{
    if (on != a->focused) {
        a->focused = on;
        a->painted = false;
        a->quiet_since = a->now;
        forget_keys(a);
    }
    gate_focus(g, on, a->now);
}

static void press(struct account *a, struct gate *g, enum gate_key_kind kind, uint32_t ch)
{
    note_key(a, kind, ch);
    check_action(a, g, gate_key(g, kind, ch, a->now));
}

static void step(struct account *a, struct gate *g, uint8_t what, uint8_t how)
{
    static const char keys[] = "arunead3cdxlweE gG?qyn07\n";
    switch (what % 8) {
    case 0:
        focus(a, g, how & 1);
        break;
    case 1:
        paint(a, g, how);
        break;
    case 2:
        a->quiet_since = a->now;
        forget_keys(a);
        a->painted = a->painted && (how & 1);
        if (how & 1)
            gate_disturb(g, a->now);
        else
            gate_covered(g, a->now);
        break;
    case 3:
        a->now += (int64_t)how * 10000;
        if (what & 8) /* else it stood still: what comes now was typed before */
            gate_tick(g, a->now);
        break;
    case 4:
        press(a, g, (enum gate_key_kind)(how % (GATE_KEY_OTHER + 1)), how);
        break;
    default:
        press(a, g, GATE_KEY_CHAR, (unsigned char)keys[how % (sizeof keys - 1)]);
    }
    INVARIANT(!gate_is_armed(g, a->now) || (a->focused && a->painted));
    INVARIANT(g->typed_len < sizeof g->typed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct gate g = { .confirm_hex_always = data[0] & 1 };
    struct account a = { .rows = 1 + (size_t)(data[0] >> 2) % 8 };
    gate_open(&g, 1, 1, hex, data[0] & 2, a.rows, 0);
    for (size_t i = 1; i + 1 < size; i += 2)
        step(&a, &g, data[i], data[i + 1]);
    gate_close(&g);
    return 0;
}
