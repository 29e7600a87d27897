/* screen_int.h - what the files of the screen share; nobody else includes it. */
#ifndef AIRLOCK_CLI_SCREEN_INT_H
#define AIRLOCK_CLI_SCREEN_INT_H

#include "cli/player.h"
#include "cli/saved.h"
#include "cli/screen.h"
#include "cli/session.h"
#include "tool/gate.h"
#include "ui/key.h"
#include "ui/keymap.h"
#include "ui/prompt.h"
#include "ui/term.h"
#include "ui/view.h"

#define FRAME_US     16000
#define SETTLE_US    30000   /* a decision key must stay alone this long */
#define SLEPT_US     1000000 /* a suspended machine is noticed from here on */
#define QUIET_US     2000000 /* no key for this long and an empty prompt: a gate may take the focus */
#define PREWARM_US   200000
#define TOAST_US     6000000
#define QUIT_WAIT_US 2000000 /* for the last saved namespace */
#define RECENT_MAX   200

/* What the prompt line is being used for. */
enum prompt_use {
    USE_MAIN,
    USE_SEARCH,
    USE_DENY,
    USE_EXPECT,
    USE_LEASE,
    USE_FILTER,
    USE_RENAME,
    USE_TAG,
    USE_FIND,
    USE_STEP_ADD,
    USE_STEP_EDIT,
    USE_STEP_MARK
};

enum page_kind {
    PAGE_NONE,
    PAGE_TRAVEL,
    PAGE_FORK,
    PAGE_TREE,
    PAGE_CHANGES,
    PAGE_COMPARE,
    PAGE_CELL,
    PAGE_PROBES,
    PAGE_CONTRACT
};

struct snapshot; /* of what the model sees */
struct find;     /* screen_find.c */
struct probing;  /* screen_doctor.c */
struct pictures; /* decoded images, by run and result */

struct screen {
    struct app *app;
    struct session *session;   /* NULL: the list of recent sessions, or a replay */
    struct film *film;         /* a replay; NULL: live */
    enum view_pane film_focus; /* had the focus before a command was typed in it */
    struct state empty;        /* shown while there is no session */
    struct term *term;
    struct probing *probing; /* airlock doctor at work; NULL */
    struct theme theme;
    struct grid grid;
    struct view_model vm;
    struct view_info info;
    struct key_decoder keys;
    struct gate gate;
    struct pictures *pictures;
    struct {
        uint32_t run;
        size_t result;
        char *path;
        int64_t asked_us;
    } saved; /* the result that o saved last: o again, while it is asked, opens it */

    struct loop_source *tty, *frame_timer, *frame_idle, *esc_timer, *gate_timer, *settle_timer,
        *second_timer, *toast_timer, *prewarm_timer;
    int64_t drawn_us, draw_cost_us, last_key_us;
    enum { DIRTY_NOTHING, DIRTY_PROMPT, DIRTY_ALL } dirty; /* what is to be drawn again */
    bool leaving, hung_up;
    int64_t leave_by_us;
    int exit_code;
    struct err failed; /* the record can't be written: read-only from now on */

    /* gate */
    enum gate_action pending; /* a decision that waits until it is known to stand alone */
    int64_t gate_key_us;      /* of the last key in it */
    int64_t slept_us;         /* clock_slept_us when it was last looked at */
    struct view_contract_line contract[FIELD_COUNT];
    struct buf contract_text, attachment_text, why_text, state_text;
    struct view_attachment *attachments;
    size_t attachment_count;
    bool why_open;

    /* prompt */
    enum prompt_use use;
    char *draft; /* of the main prompt while another use has the line */
    struct buf block;
    char block_language[16];
    bool block_typed;
    char language[16];
    struct snapshot *snapshot;
    char model_words[192];
    char **models; /* of the server, once it was asked: for completion */
    size_t model_count;
    bool listing;  /* it is being asked */
    char *step_id; /* of the step that USE_STEP_* is about; NULL none */
    char label[48];
    uint64_t completion_token;
    char **candidates;
    size_t candidate_count;
    size_t completion_start; /* byte offset in the line of the word being completed */

    /* texts that the model borrows */
    struct buf toast, question, search, planner_status, code_stream, prose_stream;
    struct redact_stream code_filter, prose_filter; /* of the two streams */
    char stream_language[16];
    enum { ASK_NOTHING, ASK_QUIT, ASK_KILL } asking;
    uint8_t interrupts;

    unsigned masks; /* of comparisons: enum mask_kind, as bits */
    struct buf mask_names;

    struct page {
        enum page_kind kind;
        uint32_t run, other; /* other: the one not picked */
        struct buf text;     /* all lines */
        char title[160];
        struct view_page_line *lines;
        struct page_item {
            size_t at; /* of its text */
            uint32_t run;
            char *session;
        } * items;
        size_t count, cap;
        enum view_pane focus; /* before it */
    } page;

    /* recent sessions */
    struct view_session *recent;
    size_t recent_count;
    size_t left_over; /* of them: with remote sandboxes that may still run */
    bool reaper_offered;
    bool all_listed;
    char *query;             /* the filter; NULL or "" none */
    char **marks, **deleted; /* ids: marked; gone with the last deletion */
    size_t mark_count, deleted_count;
    struct buf preview;
    struct find *find; /* a search of all sessions; NULL none yet */
    struct loop_source *preview_timer;
};

/* ---- screen.c ---- */
void screen_changed(struct screen *s);           /* draw within a frame */
void screen_changed_by_stream(struct screen *s); /* … or sooner: a model writes */
void screen_changed_by_key(struct screen *s);    /* draw now */
void screen_changed_by_typing(struct screen *s); /* draw now; only the prompt is another */
void screen_toast_over(void *screen);            /* a loop_timer_fn */
void screen_toast(struct screen *s, enum view_tone tone, const char *fmt, ...) PRINTF_LIKE(3, 4);
void screen_fail(struct screen *s, const struct err *e); /* as a toast */
void screen_leave(struct screen *s, int code);
const struct state *screen_state(const struct screen *s);
struct round *screen_round(const struct screen *s); /* NULL without a session */
struct store *screen_store(const struct screen *s); /* NULL without a session */
void screen_set_theme(struct screen *s, const char *name);

/* ---- screen_terminal.c ---- */
/* The terminal, its theme, keys and signals. *note: what the person should know of it, or NULL. */
int screen_terminal_open(struct screen *s, const char **note, struct err *e) MUST_CHECK;
void screen_terminal_close(struct screen *s);   /* also what open began when it failed */
void screen_terminal_is_back(struct screen *s); /* after a stop, or another program had it */
/* Give the terminal to a program until it ends; the loop goes on turning. */
int screen_run_program(struct screen *s, const char *const *argv, int *status,
                       struct err *e) MUST_CHECK;

/* ---- screen_session.c ---- */
int screen_start_session(struct screen *s, const char *planner, const char *model,
                         struct err *e) MUST_CHECK;
/* What the panes do when an event comes in, live or replayed. */
void screen_follow_event(struct screen *s, const struct event *ev);
/* A session of its own from the variables after `run` of the one on the screen, in its place. */
int screen_branch(struct screen *s, uint32_t run, struct err *e) MUST_CHECK;
int screen_open_session(struct screen *s, const char *path, struct err *e) MUST_CHECK;
void screen_close_session(struct screen *s);

/* ---- screen_program.c ---- */
/* Watch a session again, by its word or ("") the selected one. */
int screen_replay_session(struct screen *s, const char *word, struct err *e) MUST_CHECK;
/* "[RUN [RUN]]": all differences of two runs, on a screen of their own. */
void screen_differences(struct screen *s, const char *args, struct err *e);

/* ---- screen_list.c ---- */
void screen_list_sessions(struct screen *s, const char *query);
void screen_list_known(struct screen *s); /* what the index has, without looking at the files */
void screen_list_refresh(struct screen *s);
void screen_list_entered(struct screen *s); /* the list has the focus: all of it, and a preview */
void screen_list_moved(struct screen *s);   /* another one is selected */
bool screen_list_key(struct screen *s, enum keymap_command cmd); /* false: not one of its keys */
bool screen_list_back(struct screen *s); /* leaves marks, filter, trash; false: none of these */
void screen_list_filter(struct screen *s, const char *text);
void screen_list_line(struct screen *s, const char *line); /* typed for USE_FILTER … USE_TAG */
void screen_list_told(struct screen *s); /* the open session changed: its row, when it is shown */
void screen_list_release(struct screen *s);
int screen_open_selected(struct screen *s, struct err *e) MUST_CHECK;

/* ---- screen_find.c ---- */
void screen_find(struct screen *s, const char *words);            /* "": asks for them */
int screen_find_open(struct screen *s, struct err *e) MUST_CHECK; /* the selected hit */
void screen_find_release(struct screen *s);

/* ---- screen_gate.c ---- */
void screen_gate_open(struct screen *s, const char *why);
void screen_gate_sync(
    struct screen *s); /* after an event: the gate on screen is the one of the state */
void screen_gate_painted(struct screen *s, bool shown); /* after a frame, if it was shown */
void screen_gate_key(struct screen *s, const struct key_event *ev);
void screen_gate_focus(struct screen *s, bool on);
void screen_gate_deny(struct screen *s, const char *reason);
void screen_gate_timer(struct screen *s);
void screen_gate_settled(struct screen *s);
void screen_gate_release(struct screen *s);
void screen_edit_code(struct screen *s); /* the code at the gate, in $EDITOR */

/* ---- screen_keys.c ---- */
void screen_on_key(void *arg, const struct key_event *ev);
void screen_do(struct screen *s, enum keymap_command cmd, const char *args, uint32_t key);

/* ---- screen_look.c ---- */
/* Looking and moving. False: `cmd` is none of these. `key`: which one it was. */
bool screen_look(struct screen *s, enum keymap_command cmd, uint32_t key);
void screen_focus(struct screen *s, enum view_pane p);
/* On from here for s->search, which was asked for in s->vm.search.pane. */
void screen_search(struct screen *s, int dir);

/* ---- screen_prompt.c ---- */
void screen_on_line(void *arg, const char *line, bool typed);
void screen_use_prompt(struct screen *s, enum prompt_use use, const char *text);
void screen_prompt_done(struct screen *s); /* back to the main prompt, the draft restored */
void screen_fill_prompt(struct screen *s); /* the model's view of it */
void screen_paste(struct screen *s, const char *text, size_t len);
void screen_write_code(struct screen *s, const char *language); /* own code in $EDITOR */

/* ---- screen_complete.c ---- */
void screen_tab(struct screen *s); /* what the interpreter knows comes later */
/* … namely so: whole names. `token` of an older question: nothing happens. */
void screen_take_completion(struct screen *s, uint64_t token, const char *const *names,
                            size_t count);
void screen_drop_candidates(struct screen *s);

/* ---- screen_editor.c ---- */
/* Let the person edit `text` in a file that is called …-`name`; `out` is what it held when the
 * editor ended. ERR_MISSING without an editor, ERR_CANCELLED when it failed. */
int screen_edit_text(struct screen *s, const char *name, const char *text, size_t len,
                     struct buf *out, struct err *e) MUST_CHECK;

/* ---- screen_command.c ---- */
void screen_command(struct screen *s, const char *line); /* without the colon */
void screen_say_diff(struct screen *s); /* behind D and :diff, where there is nothing to compare */

/* ---- screen_plan.c ---- */
void screen_step(struct screen *s, const char *words, struct err *e); /* `:step WORDS` */
void screen_step_key(struct screen *s, enum keymap_command cmd);
const char *screen_step_label(struct screen *s);
void screen_step_line(struct screen *s, const char *text); /* what was typed for USE_STEP_* */

/* ---- screen_export.c ---- */
void screen_export(struct screen *s, const char *args, struct err *e);

/* ---- screen_model.c ---- */
void screen_show_context(struct screen *s, const char *args, struct err *e);
void screen_context_sync(struct screen *s); /* after an event */
void screen_context_release(struct screen *s);
void screen_fill_model(struct screen *s); /* the view's words of it, before a frame */
void screen_model(struct screen *s, const char *args, struct err *e);
void screen_effort(struct screen *s, const char *args, struct err *e);
void screen_drop_models(struct screen *s);

/* ---- screen_page.c ---- */
/* Begin a page; lines follow, then show it. */
void screen_page_begin(struct screen *s, enum page_kind kind, uint32_t run, const char *title,
                       const char *right);
/* What picking the line leads to: a run of this session, or another session (its id, copied). */
void screen_page_add(struct screen *s, enum view_tone tone, const char *text, size_t len,
                     bool whole);
void screen_page_add_pick(struct screen *s, enum view_tone tone, const char *text, size_t len,
                          uint32_t run, const char *session);
/* Each line of `text`; "+ " and "- " at the beginning give the tone. */
void screen_page_add_text(struct screen *s, const char *text);
void screen_page_show(struct screen *s);
void screen_page_close(struct screen *s);
void screen_page_release(struct screen *s);
void screen_page_go(struct screen *s); /* Enter */

void screen_page_retitle(struct screen *s, const char *title);

/* ---- screen_doctor.c: what the sandbox proved; Enter tries everything ---- */
void screen_doctor(struct screen *s, const char *args, struct err *e);
void screen_doctor_go(struct screen *s);
void screen_doctor_stop(struct screen *s);

/* ---- screen_contract.c ---- */
void screen_contract(struct screen *s, const char *args, struct err *e);

/* ---- screen_vars.c ---- */
void screen_changes(struct screen *s, const char *args, struct err *e);
/* ---- screen_compare.c ---- */
/* "[RUN [RUN]]": without a number the run shown and the one it is compared with, else its last
 * sibling. False: there are no two, which was said. */
bool screen_choose_pair(struct screen *s, const char *args, const struct state_run **a,
                        const struct state_run **b);
void screen_compare(struct screen *s, const char *args, struct err *e);
void screen_pick(struct screen *s, bool right);
void screen_picked(struct screen *s, uint32_t run, uint32_t other);

/* ---- screen_travel.c ---- */
void screen_travel(struct screen *s, const char *args, struct err *e);
void screen_fork(struct screen *s, const char *args, struct err *e);
void screen_tree(struct screen *s, const char *args, struct err *e);
void screen_travel_go(struct screen *s, uint32_t run, uint32_t not_picked);
void screen_fork_go(struct screen *s, uint32_t run);

/* ---- screen_masks.c ---- */
void screen_set_masks(struct screen *s, const char *args, struct err *e);

/* ---- screen_result.c ---- */
/* Save the chosen result; the same key again asks the person's viewer to open it. */
void screen_save_result(struct screen *s, const char *path);
void screen_saved_release(struct screen *s);
void screen_copy(struct screen *s);

/* ---- screen_pictures.c ---- */
struct view_images screen_images(struct screen *s);
void screen_pictures_release(struct screen *s);

/* ---- owncode.c ---- */
/* "!py x" → language and code; false when the line is no own code. `dflt` is the language of a bare
 * `!`. */
bool own_code_parse(const char *line, const char *dflt, const char **language, const char **code);
/* Does the block go on (open bracket, quote, a colon at the end …)? */
bool own_code_is_unfinished(const char *language, const char *code, size_t len);

#endif
