/* keymap.h - the one table of keys and `:` commands. Dispatch, key help, bottom line, `--help`, man
 * page and completions are all made from it. [interface.md "Keys and focus", peers §3 rule 11] */
#ifndef AIRLOCK_UI_KEYMAP_H
#define AIRLOCK_UI_KEYMAP_H

#include "base/buf.h"

/* Keys: a code point, or one of these. key.c turns bytes into them. */
enum keymap_key {
    KEYMAP_NONE = 0,
    KEYMAP_SPECIAL = 0x110000,
    KEYMAP_UP,
    KEYMAP_DOWN,
    KEYMAP_LEFT,
    KEYMAP_RIGHT,
    KEYMAP_PGUP,
    KEYMAP_PGDN,
    KEYMAP_HOME,
    KEYMAP_END,
    KEYMAP_INSERT,
    KEYMAP_DELETE,
    KEYMAP_BACKTAB,
    KEYMAP_F1, /* F2 … F12 follow */
    KEYMAP_F12 = KEYMAP_F1 + 11,
    KEYMAP_TAB = 0x09,
    KEYMAP_ENTER = 0x0d,
    KEYMAP_ESC = 0x1b,
    KEYMAP_SPACE = 0x20,
    KEYMAP_BACKSPACE = 0x7f,
};
#define KEYMAP_CTRL(c) ((uint32_t)((c)&0x1f))
#define KEYMAP_ALT     0x01000000u /* or'ed: ESC was pressed with it */

/* Where a key means something. */
enum keymap_context {
    KEYMAP_IN_PROMPT = 1u << 0,
    KEYMAP_IN_PANE = 1u << 1, /* code, output */
    KEYMAP_IN_LIST = 1u << 2, /* timeline, state, notes, sessions */
    KEYMAP_IN_GATE = 1u << 3, /* gate.c decides; listed for help only */
    KEYMAP_IN_HELP = 1u << 4,
    KEYMAP_IN_REPLAY = 1u << 5,  /* before what the pane of the focus means */
    KEYMAP_IN_START = 1u << 6,   /* the list of recent sessions */
    KEYMAP_AS_COMMAND = 1u << 7, /* can be typed behind `:` */
    KEYMAP_EVERYWHERE = 1u << 8, /* also while typing */
    KEYMAP_IN_PLAN = 1u << 10,   /* the plan */
    KEYMAP_IN_DIFF = 1u << 11,   /* a comparison on a screen of its own */
    KEYMAP_IN_HITS = 1u << 12,   /* what a search of all sessions found */
    KEYMAP_IN_PAGE = 1u << 13,   /* a page over the panes: time travel, branches, two runs */
    KEYMAP_ONLY_SHOWN = 1u << 9, /* somebody else does it (readline, gate.c): for help and hints */
};

enum keymap_command {
    CMD_NONE,
    /* focus and movement */
    CMD_FOCUS_PROMPT,
    CMD_LEAVE_PROMPT,
    CMD_FOCUS_GATE,
    CMD_NEXT_PANE,
    CMD_PREV_PANE,
    CMD_PANE,
    CMD_UP,
    CMD_DOWN,
    CMD_LEFT,
    CMD_RIGHT,
    CMD_PAGE_UP,
    CMD_PAGE_DOWN,
    CMD_HALF_UP,
    CMD_HALF_DOWN,
    CMD_TOP,
    CMD_BOTTOM,
    CMD_OPEN,
    CMD_BACK,
    CMD_ZOOM,
    CMD_GOTO,
    /* looking */
    CMD_SEARCH,
    CMD_SEARCH_NEXT,
    CMD_SEARCH_PREV,
    CMD_SELECT,
    CMD_COPY,
    CMD_RAW,
    CMD_DIFF,
    CMD_BASE,
    CMD_MASKS,
    CMD_WORD,
    CMD_RESULT,
    CMD_SAVE,
    CMD_FOLLOW,
    CMD_THEME,
    CMD_REDRAW,
    CMD_HELP,
    /* the gate */
    CMD_APPROVE,
    CMD_EDIT,
    CMD_EXPECT,
    CMD_DENY,
    CMD_DRY_RUN,
    CMD_LEASE,
    CMD_STOP,
    CMD_WHY,
    /* work */
    CMD_INTERRUPT,
    CMD_KILL,
    CMD_PAUSE,
    CMD_WAKE,
    CMD_RESTART,
    CMD_RESTORE,
    CMD_FORK,
    CMD_TREE,
    CMD_DOCTOR,
    CMD_CHANGES,
    CMD_COMPARE,
    CMD_DIFFERENCES,
    CMD_PAGE_GO,
    CMD_PICK_LEFT,
    CMD_PICK_RIGHT,
    CMD_TOUR,
    CMD_RUNBOOK,
    CMD_PUT,
    CMD_GET,
    CMD_NOTE,
    CMD_CONTEXT,
    CMD_MODEL,
    CMD_EFFORT,
    CMD_STEP,
    CMD_STEP_ADD,
    CMD_STEP_EDIT,
    CMD_STEP_DELETE,
    CMD_STEP_UP,
    CMD_STEP_DOWN,
    CMD_STEP_MARK,
    CMD_STEP_SKIP,
    CMD_LANGUAGE,
    CMD_EDITOR,
    CMD_CONTRACT,
    CMD_CELL,
    CMD_LEASE_END,
    /* a replay */
    CMD_PLAY,
    CMD_NEXT_EVENT,
    CMD_PREV_EVENT,
    CMD_NEXT_RUN,
    CMD_PREV_RUN,
    CMD_NEXT_GATE,
    CMD_PREV_GATE,
    CMD_NEXT_FAILURE,
    CMD_PREV_FAILURE,
    CMD_NEXT_DIFFERENCE,
    CMD_PREV_DIFFERENCE,
    CMD_NEXT_HIGH,
    CMD_PREV_HIGH,
    CMD_SLOWER,
    CMD_FASTER,
    CMD_REWIND,
    CMD_FORWARD,
    CMD_SEEK,
    CMD_IDLE_CAP,
    CMD_HIDE,
    CMD_REVEAL,
    CMD_LEAVE_REPLAY,
    /* sessions and the program */
    CMD_REPLAY,
    CMD_SESSIONS,
    CMD_FIND,
    CMD_LIST_MARK,
    CMD_LIST_DIFF,
    CMD_LIST_RERUN,
    CMD_DIFF_NEXT,
    CMD_DIFF_PREV,
    CMD_DIFF_BESIDE,
    CMD_DIFF_FOLD,
    CMD_DIFF_LEFT,
    CMD_DIFF_RIGHT,
    CMD_LIST_FILTER,
    CMD_LIST_RENAME,
    CMD_LIST_TAG,
    CMD_LIST_DELETE,
    CMD_LIST_UNDELETE,
    CMD_LIST_ARCHIVE,
    CMD_LIST_TRASH,
    CMD_NEW,
    CMD_RESUME,
    CMD_RENAME,
    CMD_TAG,
    CMD_EXPORT,
    CMD_COMMAND_LINE,
    CMD_SUSPEND,
    CMD_QUIT,
    CMD_COUNT
};

#define KEYMAP_KEYS_MAX 4
struct keymap_entry {
    enum keymap_command id;
    unsigned where;                 /* enum keymap_context */
    uint32_t keys[KEYMAP_KEYS_MAX]; /* 0-terminated unless full */
    const char *name;               /* command word, "search"; never NULL */
    const char *args;               /* "TEXT", "[RUN]"; "" none */
    const char *hint;               /* one word for the bottom line; "" not shown there */
    const char *help;               /* one line */
    const char *man;                /* more, for the man page; "" none */
};

const struct keymap_entry *keymap_table(size_t *count);
/* What a key means in a context; NULL: nothing (in the prompt: goes to readline). */
const struct keymap_entry *keymap_find_key(unsigned context, uint32_t key);
/* What a word behind `:` means: exact, or a unique prefix; NULL. */
const struct keymap_entry *keymap_find_word(const char *word, size_t len);
const struct keymap_entry *keymap_entry(enum keymap_command id); /* first of that command */
/* "PgUp", "^G", "Tab", "a": for people. Lent until the next 4 calls. */
const char *keymap_key_name(uint32_t key);
/* "PgUp k": all keys of an entry. */
void keymap_key_names(const struct keymap_entry *e, char *out, size_t size);
/* Commands whose word begins with `prefix`: static strings, at most `max`; returns how many. */
size_t keymap_complete(const char *prefix, const char **out, size_t max);
/* The nearest command word within edit distance 2, or NULL: "did you mean". */
const char *keymap_suggest(const char *word);

/* The bottom line: " Tab pane  z zoom …" of a context, as (key, hint) pairs in order. */
struct keymap_hint {
    char key[12];
    const char *word;
    enum keymap_command id;
};
size_t keymap_hints(unsigned context, struct keymap_hint *out, size_t max);

/* Whole documents from the table. */
/* Every key and command; the keys of `first` (a KEYMAP_IN_… of its own group) on top, 0: none. */
int keymap_print_help(unsigned first, struct buf *out);
int keymap_print_man(struct buf *out); /* mdoc: two sections, Keys and Commands */

#endif
