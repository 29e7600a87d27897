/* llm_preview.h - shows code while a model still writes it: the value of `code` out of a JSON
 * object that arrives in fragments.
 *
 * For the eye only. What a person approves and what runs is read from the whole arguments with the
 * strict reader (llm_tool.h) once the answer is complete. So nothing here fails: what is no JSON
 * yields less or odd text. Fragments may split anywhere, in an escape, a surrogate pair or a UTF-8
 * sequence; where they split makes no difference to all that was yielded.
 */
#ifndef AIRLOCK_PLANNERS_LLM_PREVIEW_H
#define AIRLOCK_PLANNERS_LLM_PREVIEW_H

#include "base/buf.h"

#define LLM_LANGUAGE_MAX 15

struct llm_preview {
    char key[LLM_LANGUAGE_MAX + 1]; /* the last one at the top, cut */
    char language[LLM_LANGUAGE_MAX + 1];
    unsigned depth, key_len, language_len;
    unsigned hex_left; /* digits of \uXXXX still to come */
    uint32_t unit;     /* those seen */
    uint32_t high;     /* a surrogate that waits for its other half; 0 none */
    char tail[4];      /* a UTF-8 sequence under way */
    unsigned tail_len, tail_want;
    bool in_string, escaped, is_key, want_key;
    enum { PREVIEW_NOTHING, PREVIEW_LANGUAGE, PREVIEW_CODE } takes;
};

void llm_preview_init(struct llm_preview *v);

/* Append to `out` what the fragment adds to the code; true when the code has begun. Stops quietly
 * when `out` is full. */
bool llm_preview_feed(struct llm_preview *v, const char *p, size_t len, struct buf *out);

#endif
