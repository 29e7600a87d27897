/* saved.h - opening a recorded session by the words a person uses: ID[:RUN], a prefix, a name,
 * `last`. */
#ifndef AIRLOCK_CLI_SAVED_H
#define AIRLOCK_CLI_SAVED_H

#include "cli/app.h"
#include "cli/session.h"

struct saved {
    struct store *store; /* read-only */
    struct state state;
    uint32_t run; /* after the colon; 0 none */
    struct err
        broken; /* the fold stopped here: what was whole is in `state`; code ERR_NONE = all of it */
    char *id, *path;
};

/* `word` = ID[:RUN], where RUN is a number or sSTEP.ATTEMPT. ERR_MISSING, ERR_USAGE (ambiguous, no
 * such run). */
int saved_open(struct saved *out, struct app *app, const char *word, struct err *e) MUST_CHECK;
/* Only the file, read-only, nothing folded. `word` = ID. Release with store_close(). */
int saved_open_store(struct store **out, struct app *app, const char *word,
                     struct err *e) MUST_CHECK;
void saved_close(struct saved *s);

/* The two halves of it: ID[:RUN] → id and path (caller frees; NULL on failure) and the word behind
 * the colon (lent from `word`, NULL none); and a run's word → its number, 0 when there is none. */
int saved_resolve(struct app *app, const char *word, char **id, char **path, const char **run,
                  struct err *e) MUST_CHECK;
uint32_t saved_find_run(const struct state *st, const char *word);

#endif
