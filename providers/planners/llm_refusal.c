/* llm_refusal.c - a server's refusal, read out of the body of its answer. */
#include "providers/planners/llm_refusal.h"

#include <string.h>

#include "base/json.h"
#include "providers/planners/llm_answer.h"

/* Limits that money lifts, not time. */
static bool is_spend_limit(const char *code)
{
    return strstr(code, "spend_limit") != NULL || strstr(code, "insufficient_quota") != NULL;
}

/* "error" is an object, or words; or the words stand at the top. */
static void read_body(struct llm_refusal *f, const struct json *root)
{
    const struct json *error = json_get(root, "error");
    const char *words = json_str(error, json_get_str(root, "detail", ""));
    const struct json *from = error != NULL && json_kind(error) == JSON_OBJECT ? error : root;
    const char *code = json_get_str(from, "code", "");
    answer_copy_words(f->type, sizeof f->type, json_get_str(from, "type", code));
    answer_copy_words(f->code, sizeof f->code, code);
    answer_copy_words(f->message, sizeof f->message, json_get_str(from, "message", words));
    f->spent = is_spend_limit(code) || is_spend_limit(f->type) ||
               is_spend_limit(json_get_str(json_get(from, "details"), "error_code", ""));
}

void llm_read_refusal(struct llm_refusal *f, int status, struct buf *body)
{
    struct json *o = NULL;
    *f = (struct llm_refusal){ .status = status, .body = buf_str(body) };
    if (body->len > 0 && json_parse(&o, body->ptr, body->len, NULL) == 0)
        read_body(f, o);
    json_free(o);
}
