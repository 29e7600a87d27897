/* view.h - the views: pure functions from the state of a session to a grid of cells.
 *
 * view_draw() reads no clock, file or socket; the one door to the outside is struct output_source
 * (program output beyond the tail kept in memory). `struct view_model` is everything a picture
 * depends on that is not in the session: focus, scroll positions, search, selection, prompt. The
 * screen owns it, changes it with view_move() and friends below, and draws again.
 *
 * All pointers in the model are borrowed for the call. Strings are NUL-terminated unless a length
 * stands beside them, and may come from outside: they are cleaned on their way to the grid. [SAN-6]
 */
#ifndef AIRLOCK_UI_VIEW_H
#define AIRLOCK_UI_VIEW_H

#include "tool/gate.h"
#include "tool/state.h"
#include "ui/cell.h"
#include "ui/layout.h"

enum view_screen {
    SCREEN_SESSION,
    SCREEN_START, /* recent sessions + prompt */
    SCREEN_HELP,
    SCREEN_HITS,    /* of a search of all sessions */
    SCREEN_CONTEXT, /* what the model sees */
    SCREEN_PAGE,    /* lines over the panes: struct view_page */
};

/* Where a pane is scrolled to. Lists: `top` = first item. Code and output: `top` = byte offset of
 * the line at the top, `row` = the wrapped row in it. Only view_*() below interpret it. */
struct view_scroll {
    uint64_t top;
    uint32_t row;
    bool follow;      /* output: stick to the end */
    int64_t selected; /* lists: the row with the cursor; -1 the newest / none */
};

/* Lines selected with `v` in code or output: byte offsets of the first and last line's start. */
struct view_select {
    enum view_pane pane; /* 0 none */
    uint64_t anchor, cursor;
};

struct view_search {
    const char *text; /* NULL or "" none; smart case: all lower-case matches both */
    enum view_pane pane;
    bool found;
    uint64_t hit;  /* byte offset of the current hit (lists: item) */
    bool scanning; /* the budget was used up: the next call goes on at `scan` */
    uint64_t scan;
};

/* One row of the contract at the gate. */
struct view_contract_line {
    const char *field, *value; /* "network", "deny" */
    enum enforcement how;
    const char *why; /* "" */
};
/* More of the capsule than its code: files, env names, argv, stdin. Each is a row that must be
 * seen. */
struct view_attachment {
    const char *text; /* "file in.csv 0644 1.2 kB 7f3a91c2…" */
};

struct view_gate {
    const struct gate *gate; /* rules and coverage; NULL: no gate */
    const struct view_contract_line *contract;
    size_t contract_count;
    const struct view_attachment *attachments;
    size_t attachment_count;
    const char *sandbox_title; /* "local python3 · process (namespaces + seccomp)" */
    const char *state_line;    /* "continues run 13" / "fresh interpreter" */
    const char *held_by; /* who sees to it that only this runs: a line; NULL or "" not known */
    bool checked_only;   /* … and nobody does before it has run: shown as the worst */
    const char *no_dry_run, *no_lease; /* why they are not offered; NULL: they are */
    const char *deny_text;             /* words typed for the denial so far; NULL when not typing */
    size_t deny_cursor;                /* byte offset */
    const char *why;         /* page of `w`: more lines about rules and history; NULL closed */
    const char *edited_from; /* the code before it was edited at the gate; NULL */
    size_t edited_from_len;
    int64_t boot_us; /* now on the clock of `gate` */
};

struct view_session { /* a row of the list of recent sessions */
    const char *id, *name, *task, *outcome, *sandbox, *tags, *problem;
    int64_t last_us, runs, denied, failed, cost_nanousd;
    bool live, foreign, archived, waiting, marked;
};
/* A row of what a search found. */
struct view_hit {
    const char *session, *name, *where; /* "stdout" */
    const char *text;                   /* bytes of the line, around the hit */
    size_t text_len, at, hit_len;
    uint32_t run; /* 0 none */
    uint64_t line;
};
/* What stands around the list. */
struct view_list {
    const char *filter;  /* in force; NULL or "" none */
    const char *note;    /* why the filter is not understood; NULL */
    const char *preview; /* of the selected session, lines; NULL none */
    bool trash;          /* these are the deleted ones */
    size_t marked;
};

enum view_tone { TONE_PLAIN, TONE_INFO, TONE_WAIT, TONE_GOOD, TONE_BAD };
struct view_message {
    const char *text; /* NULL none */
    enum view_tone tone;
};

/* A page of lines in place of the panes. */
struct view_page_line {
    const char *text;
    size_t len;
    enum view_tone tone;
    bool pick;  /* the cursor can stand on it; one row, cut at the right */
    bool whole; /* one row as well, made to measure */
};
struct view_page {
    const char *title, *right; /* right: what Enter does; NULL */
    const struct view_page_line *lines;
    size_t count;
    int64_t selected; /* a line with `pick`; -1: the page just scrolls */
    uint64_t top;     /* first row */
    bool goes, two;   /* Enter does something; two runs stand side by side */
    bool forks;       /* F, from the run it is about */
};

struct view_prompt {
    const char *label;             /* "task> ", "py> ", ":" */
    const char *text;              /* what was typed; "" */
    size_t len, cursor;            /* bytes */
    const char *above;             /* lines of an unfinished block, LF between; NULL */
    const char *placeholder;       /* shown dim while empty */
    bool secret;                   /* show dots, one each */
    const char *const *candidates; /* completions */
    size_t candidate_count;
    size_t candidate_chosen; /* SIZE_MAX none */
};

/* Code or prose that is still being written by the planner. */
struct view_stream {
    const char *language, *code; /* NULL none */
    size_t code_len;
    const char *prose;
    size_t prose_len;
};

/* What the model sees, a row each; the text of the one with the cursor stands below. */
struct view_context_item {
    const char *role, *text;
    size_t text_len;
    int64_t tokens;
    bool counted, shortened, unsent; /* planner.h */
};
struct view_context {
    const char *title; /* NULL: the model's context; else one text, with a title of its own */
    const struct view_context_item *items;
    size_t count;
    const char *model, *effort;
    int64_t window_tokens, last_input, last_output; /* -1 unknown */
};

/* A picture: RGBA, 8 bits each, rows without gaps. */
struct image {
    int w, h;
    uint8_t *rgba;
};
/* Decoded picture of a result, or NULL with the reason in *why (static or lent). Cached by the
 * owner; must not block. */
struct view_images {
    const struct image *(*get)(void *arg, uint32_t run, const struct state_result *r,
                               const char **why);
    void *arg;
};
/* What output diffs ignore. Appends the masked form of one line; `names` lists what is masked. */
struct view_masks {
    void (*apply)(void *arg, const char *line, size_t len, struct buf *out); /* NULL: none */
    void *arg;
    const char *names; /* "time, tmp" */
};

/* A recorded session instead of a live one: where it stands, and a bar of what lies on the way. */
enum view_tick_kind { TICK_RUN, TICK_GATE, TICK_HIGH, TICK_FAILURE }; /* most telling last */
struct view_tick {
    uint16_t at; /* in thousandths of the bar */
    uint8_t kind;
};
#define VIEW_BAR_PARTS 1000
struct view_replay {
    bool on, playing;
    bool hides;        /* what was decided is kept back until it is asked for */
    const char *speed; /* "2x" */
    int64_t pos_us, total_us;
    uint64_t seq, last; /* event */
    const struct view_tick *ticks;
    size_t tick_count;
    const char
        *decision;       /* at the open gate: what was decided; NULL: kept back, or none recorded */
    const char *reading; /* "reading the record, 43 %"; NULL */
};

/* Is the comparison shown? AUTO: code when it is a further attempt or was edited at the gate,
 * output while a gate is open and there are two to compare. */
enum view_diff { VIEW_DIFF_AUTO, VIEW_DIFF_ON, VIEW_DIFF_OFF };

struct view_cache; /* memo of costly things (wrap points, lexing, diffs); the picture never depends
                      on it */
struct view_cache *view_cache_new(void);
void view_cache_free(struct view_cache *c);

struct view_model {
    enum view_screen screen;
    enum view_pane focus, zoom; /* zoom 0: none */
    enum view_pane main;        /* the pane looked at last: shown where only one fits */
    struct view_scroll scroll[PANE_COUNT];
    struct view_scroll help_scroll;
    enum view_screen help_over;        /* what the help lies over: its keys come first */
    size_t help_hit;                   /* the line that was found in it, from 1; 0 none */
    bool help_asks;                    /* the prompt takes what is to be found in it */
    struct view_scroll context_scroll; /* selected: the item; top: the row of its text */
    struct view_context context;
    uint32_t run;  /* shown in code, out, err, record; 0 = the gate's, else the newest */
    uint32_t base; /* code and output are compared with this run; 0 = the attempt before */
    enum view_diff diff_code, diff_output;
    bool no_word_marks;
    bool raw;         /* X: output as TEXT_CODE */
    bool show_result; /* the out pane shows the results instead of stdout */
    size_t result;    /* which of them */
    struct view_masks masks;
    struct view_search search;
    struct view_select select;
    struct view_gate gate;
    struct view_prompt prompt;
    struct view_stream stream;
    struct view_message toast, question;
    struct view_page page; /* of SCREEN_PAGE */
    struct view_images images;
    struct output_source source;
    /* Newest first; scroll[PANE_TIMELINE] is the list's place, `selected` its row. */
    const struct view_session *sessions;
    size_t session_count;
    struct view_list list;
    const struct view_hit *hits; /* of SCREEN_HITS; the place as for sessions */
    size_t hit_count;
    const char *hits_status;
    unsigned queued;            /* messages of the person that wait for the model's next call */
    const char *planner_model;  /* "claude-opus-5-5 high"; NULL: as the record says */
    const char *planner_status; /* "waiting for the planner, 3 s"; NULL */
    struct view_replay replay;
    int64_t budget_nanousd;   /* 0 none */
    int64_t now_us;           /* wall clock, for "41 s ago" */
    int colors;               /* 0 (mono), 8, 16, 256: what pictures may use */
    struct view_cache *cache; /* may be NULL */
};
void view_model_init(struct view_model *vm);

/* What a picture turned out to be. */
struct view_info {
    struct layout layout;
    int cursor_x, cursor_y; /* -1: hidden */
    /* Units of the gate's code that are wholly on screen: [first, first + count). A unit is one
     * byte of the code, then one attachment each, so it does not depend on the width. For
     * gate_painted(); count 0 when the code shown is not the gate's. */
    size_t seen_first, seen_count;
    uint32_t shown_run;
    bool at_end[PANE_COUNT];   /* nothing below */
    uint64_t rows[PANE_COUNT]; /* items of a list; lines of code or output known so far */
};

/* Draw everything. The grid keeps its size; `info` may be NULL. */
void view_draw(const struct state *st, const struct view_model *vm, struct grid *g,
               struct view_info *info);

/* Draw what typing at the prompt changes, prompt and hints, onto the grid and info of the view_draw
 * before, of the same state and a model with the same contents but `prompt`: the picture is then
 * that of view_draw. False: it would take more than that, nothing was drawn. */
bool view_draw_typed(const struct state *st, const struct view_model *vm, struct grid *g,
                     struct view_info *info);

/* Where the panes are for this model on a screen of that size (the prompt's block included). */
void view_layout(const struct state *st, const struct view_model *vm, int w, int h,
                 struct layout *out);

/* Where a key means something (enum keymap_context), by the screen and the focus. */
unsigned view_key_context(const struct view_model *vm);

/* ---- moving about: pure changes of the model ---- */
enum view_move {
    MOVE_UP,
    MOVE_DOWN,
    MOVE_PAGE_UP,
    MOVE_PAGE_DOWN,
    MOVE_HALF_UP,
    MOVE_HALF_DOWN,
    MOVE_TOP,
    MOVE_BOTTOM,
    MOVE_LEFT, /* previous / next result, timeline run */
    MOVE_RIGHT
};
/* Scroll `pane` (in the gate: its code) as it is laid out on a w x h screen, `count` times. */
void view_move(const struct state *st, struct view_model *vm, int w, int h, enum view_pane pane,
               enum view_move move, int count);
/* Scroll the pane under a cell (mouse wheel); clicks only focus. */
void view_wheel(const struct state *st, struct view_model *vm, int w, int h, int x, int y,
                int rows);
/* The step with the cursor (the active one until it was moved), from 0; SIZE_MAX: no plan. */
size_t view_plan_step(const struct state *st, const struct view_model *vm);
/* Which part of the replay's bar lies under a cell: 0 … VIEW_BAR_PARTS, or -1. */
int view_bar_at(const struct state *st, const struct view_model *vm, int w, int h, int x, int y);
/* The run whose code is shown, and what that is compared with; NULL none. */
const struct state_run *view_run(const struct state *st, const struct view_model *vm);
const struct state_run *view_base(const struct state *st, const struct view_model *vm);
/* The run whose output is shown (while the code waits at the gate: the attempt before), and its
 * base. */
const struct state_run *view_output_run(const struct state *st, const struct view_model *vm);
const struct state_run *view_output_base(const struct state *st, const struct view_model *vm);
/* The newest dry run of `r` that ran; NULL none. */
const struct state_run *view_twin(const struct state *st, const struct state_run *r);
/* The name under the cursor of the state pane: a variable's, or a file's path. Caller frees; NULL
 * none. */
char *view_selected_name(const struct state *st, const struct view_model *vm, bool *file);
/* D: turn the comparison in `pane` (code, else output) on or off. */
void view_toggle_diff(const struct state *st, struct view_model *vm, enum view_pane pane);
/* :diff: compare code and output with run `base` (0: the attempt before), or turn it off where that
 * is what is shown. */
void view_toggle_diffs(const struct state *st, struct view_model *vm, uint32_t base);

/* v: begin to select lines in `pane` (code, out, err) at its top, or stop. While selecting, up and
 * down move the end of the selection. */
void view_select(const struct state *st, struct view_model *vm, int w, int h, enum view_pane pane);

/* Next hit of vm->search in its pane, or in the help when that is shown (dir 1 / -1), from where it
 * is; scrolls there. Reads at most `budget` bytes of output. */
enum view_found { VIEW_FOUND, VIEW_NOT_FOUND, VIEW_MORE /* budget used up: call again */ };
enum view_found view_search(const struct state *st, struct view_model *vm, int w, int h, int dir,
                            size_t budget);

/* The selected lines (or, without a selection, what the pane shows) as cleaned text. [SAN-5] */
int view_copy(const struct state *st, const struct view_model *vm, int w, int h,
              enum view_pane pane, struct buf *out);

/* ---- coverage: units of the gate, see view_info ---- */
size_t view_gate_units(const struct state_run *run, size_t attachments);
/* Lines (attachments count as one each) of which every unit was seen. */
void view_gate_lines(const struct gate *gate, const struct state_run *run, size_t attachments,
                     size_t *seen, size_t *total);
/* Scroll the code to the first line that was not wholly seen, or has a HIGH finding unseen. */
void view_goto_unseen(const struct state *st, struct view_model *vm, int w, int h);

#endif
