/* llm_tool.h - the three tools a model is offered, what it asked for with one of them, and what it
 * is told afterwards. [interface.md "What a planner is offered"]
 *
 * One table for every dialect. Never a tool that a server would run by itself: what runs, runs
 * behind our gate.
 */
#ifndef AIRLOCK_PLANNERS_LLM_TOOL_H
#define AIRLOCK_PLANNERS_LLM_TOOL_H

#include "providers/planner.h"

struct json;
struct json_w;

#define LLM_CODE_MAX  ((size_t)1 << 20) /* interface.md: code is at most 1 MiB */
#define LLM_STEPS_MAX 64

struct llm_tool {
    const char *name, *description;
    const char *schema; /* JSON schema of its input; small fields stand before `code` */
    bool streams;       /* its input is worth showing while it is written */
};
const struct llm_tool *llm_tools(size_t *count);

/* What the system text says. Constant, so that it can be cached. */
extern const char llm_instructions[];

enum llm_action_kind { LLM_EXECUTE, LLM_PLAN, LLM_FINISH };

/* A call, read. Text is lent from `input` or owned here: release in every case. */
struct llm_action {
    enum llm_action_kind kind;
    struct json *input;
    struct planner_proposal proposal; /* EXECUTE; without call_id */
    struct buf expect;                /* EXECUTE: one check per line */
    struct planner_step *steps;       /* PLAN */
    size_t step_count;
    struct buf answer; /* FINISH: the answer, then its evidence as a list */
};

/* `input` is the JSON as the model wrote it, whole; no bytes count as {}. ERR_FORMAT, ERR_LIMIT:
 * msg is written for the model. Nothing is guessed: an unknown tool, an unknown or missing key and
 * a wrong type are errors. */
int llm_action_read(struct llm_action *out, const char *tool, const char *input, size_t len,
                    struct err *e) MUST_CHECK;
void llm_action_release(struct llm_action *a);

/* A plan as the model reads it, one step a line. */
void llm_plan_write(const struct planner_step *steps, size_t count, struct buf *out);

/* The input of a call of execute_code, as llm_action_read() takes it. */
void llm_execute_write(const struct planner_proposal *p, struct json_w *w, const char *key);

/* The result of a run as one JSON object; what came out of the sandbox stands in `untrusted` and
 * nowhere else. Bytes that are no UTF-8 become U+FFFD. Special tokens of chat formats
 * (`<|im_start|>`, `[INST]` …) are spelt with an escape, which is the same JSON: servers that look
 * for tokens in what they are sent would take them for their own. */
void llm_result_write(const struct planner_observation *o, struct buf *out);
/* What stays of it when room is short: "run 3, step 2, attempt 1: exit 0, verified". */
void llm_result_write_line(const struct planner_observation *o, struct buf *out);

#endif
