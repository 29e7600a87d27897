/* state_int.h - what the files of the reducer share: state.c (dispatch), state_session.c (session,
 * plan, lease), state_gate.c (findings, decisions), state_flag.c (flags), state_net.c (the
 * network), state_probe.c (isolation), state_run.c (proposal to verdict), state_output.c (streams),
 * state_vars.c (the REPL) and state_snapshot.c (what an earlier moment shares with a later one). */
#ifndef AIRLOCK_TOOL_STATE_INT_H
#define AIRLOCK_TOOL_STATE_INT_H

#include "tool/state.h"

/* One handler per event type. It checks everything first and changes nothing when it refuses. `out`
 * is never NULL. */
typedef int (*state_fn)(struct state *st, const struct event *ev, struct effects *out,
                        struct err *e);

#define STATE_HANDLER(name)                                                                        \
    int name(struct state *st, const struct event *ev, struct effects *out, struct err *e)
STATE_HANDLER(state_on_proposed);
STATE_HANDLER(state_on_reviewed);
STATE_HANDLER(state_on_gate_opened);
STATE_HANDLER(state_on_decided);
STATE_HANDLER(state_on_started);
STATE_HANDLER(state_on_output);
STATE_HANDLER(state_on_result);
STATE_HANDLER(state_on_finished);
STATE_HANDLER(state_on_verdict);
STATE_HANDLER(state_on_changed);
STATE_HANDLER(state_on_checkpoint);
STATE_HANDLER(state_on_restored);
STATE_HANDLER(state_on_created);
STATE_HANDLER(state_on_renamed);
STATE_HANDLER(state_on_tagged);
STATE_HANDLER(state_on_trashed);
STATE_HANDLER(state_on_resumed);
STATE_HANDLER(state_on_session_end);
STATE_HANDLER(state_on_words);
STATE_HANDLER(state_on_waiting);
STATE_HANDLER(state_on_model);
STATE_HANDLER(state_on_error);
STATE_HANDLER(state_on_plan);
STATE_HANDLER(state_on_lease_granted);
STATE_HANDLER(state_on_lease_ended);
STATE_HANDLER(state_on_sandbox);
STATE_HANDLER(state_on_probed);
STATE_HANDLER(state_on_usage);
STATE_HANDLER(state_on_flagged);
STATE_HANDLER(state_on_net_asked);
STATE_HANDLER(state_on_net_closed);
STATE_HANDLER(state_on_nothing);

void effects_add(struct effects *out, enum effect_kind kind, uint32_t run);
int contradiction(const struct event *ev, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The run an event is about; NULL and ERR_INTEGRITY when there is none. */
struct state_run *state_need_run(struct state *st, const struct event *ev, struct err *e);
bool state_is_human(const struct state *st);
bool state_planner_hears_of(const struct state_run *r);
enum session_phase state_phase_after(const struct state *st, const struct state_run *r);
/* The i-th of the strings a state or a run owns; NULL behind the last. */
char **state_strings(struct state *st, size_t i);
char **state_run_strings(struct state_run *r, size_t i);
struct state_run *state_run_new(void);             /* of no session */
struct state_run *state_run_add(struct state *st); /* grows the list; the run is zeroed, numbered */
void state_run_free(struct state_run *r);
/* Before run `number` is changed: what snapshots share is copied first. No such run: nothing. */
void state_run_own(struct state *st, uint32_t number);
void state_origin_own(struct state *st);
void state_findings_free(struct state_run *r);
void state_flags_free(struct state_run *r);
struct state_flag *state_flags_copy(const struct state_run *r);
void state_nets_free(struct state_run *r);
struct state_net *state_nets_copy(const struct state_run *r);
/* "HIGH" … in any case; a word we do not know is HIGH. */
enum finding_severity state_read_severity(const char *word);
void state_steps_free(struct state_step *steps, size_t count);

/* A string member, "" when there is none. */
static inline const char *body_str(const struct json *o, const char *key)
{
    return json_get_str(o, key, "");
}
/* Replace an owned string by a copy. */
void string_set(char **slot, const char *value);
void string_set_n(char **slot, const char *value, size_t len);
/* The strings of a JSON list, joined; caller frees. */
char *strings_join(const struct json *list, char between);

void state_output_add(struct state_output *o, const char *p, size_t len);
void state_output_trim(struct state_output *o, size_t keep);
void state_output_release(struct state_output *o);

/* What was said. The list only grows, so snapshots share it and remember how much of it was
 * theirs. */
#define STATE_MESSAGE_MAX ((size_t)1 << 20)
void state_words_add(struct state *st, const struct event *ev, const char *author,
                     const char *text);
void state_words_free(struct state_words *w);

struct state_var state_var_copy(const struct state_var *v);
void state_vars_free(struct state_var *vars, size_t count);
void state_saved_release(struct state_saved *s);
/* r->vars from a list of the kernel's, since_run by what the REPL was before. */
void state_vars_read(struct state *st, struct state_run *r, const struct json *list);
void state_files_free(struct state_file *files, size_t count);
/* The REPL is empty. */
void state_vars_forget(struct state *st);
/* In the language of `r` the REPL is what `r` reported, without what is gone; nothing in `lost`
 * (may be NULL) is left in any language. */
void state_vars_adopt(struct state *st, const struct state_run *r, const struct json *lost);

#endif
