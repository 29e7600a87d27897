/* given.c - what a recorded proposal gave to its code beside it. */
#include "tool/given.h"

#include <stdlib.h>
#include <string.h>

int given_read(const struct json *body, char ***argv, size_t *count, struct buf *input,
               struct err *e)
{
    const struct json *words = json_get(body, "argv");
    const char *text = json_get_str(body, "stdin", NULL),
               *coded = json_get_str(body, "stdin_base64", NULL);
    while (*count > 0)
        free((*argv)[--*count]);
    if (words != NULL) {
        *argv = xreallocarray(*argv, json_len(words) + 1, sizeof **argv);
        for (const struct json *m = json_first(words); m != NULL; m = json_next(m))
            (*argv)[(*count)++] = xstrdup(json_str(m, ""));
    }
    buf_reset(input);
    if (text != NULL)
        return buf_add_str(input, text) < 0 ? err_set(e, ERR_LIMIT, "its input") : 0;
    return coded != NULL ? base64_decode(input, coded, strlen(coded), e) : 0;
}
