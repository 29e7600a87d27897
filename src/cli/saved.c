/* saved.c - from a person's word to a folded session. */
#include "cli/saved.h"

#include <stdlib.h>
#include <string.h>

/* "7", or "s2.3" = attempt 3 of step 2. 0 when there is no such run. */
uint32_t saved_find_run(const struct state *st, const char *word)
{
    char *end;
    if (word[0] != 's') {
        if (word[0] < '0' || word[0] > '9')
            return 0; /* strtoul would take signs and blanks */
        unsigned long n = strtoul(word, &end, 10);
        return *end == '\0' && n >= 1 && n <= st->run_count ? (uint32_t)n : 0;
    }
    const char *dot = strrchr(word, '.');
    if (dot == NULL || dot[1] < '0' || dot[1] > '9')
        return 0;
    unsigned long attempt = strtoul(dot + 1, &end, 10);
    if (*end != '\0')
        return 0;
    uint32_t found = 0;
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *sr = st->runs[i];
        size_t n = (size_t)(dot - word) - 1;
        if (sr->twin_of == 0 && sr->attempt == attempt && strlen(sr->step) == n &&
            memcmp(sr->step, word + 1, n) == 0)
            found = sr->number;
    }
    return found;
}

int saved_resolve(struct app *app, const char *word, char **id, char **path, const char **run,
                  struct err *e)
{
    const char *colon = strrchr(word, ':');
    char *name = colon != NULL ? xstrndup(word, (size_t)(colon - word)) : xstrdup(word);
    *id = *path = NULL;
    *run = colon != NULL ? colon + 1 : NULL;
    int rc = app_need_index(app, e);
    if (rc == 0)
        rc = index_refresh(app->index, e);
    if (rc == 0)
        rc = index_resolve(app->index, name, id, path, e);
    free(name);
    return rc;
}

/* What is linked is folded; where that ends, or a body is not what it was, the record is broken. */
static int load(struct saved *s, struct err *e)
{
    uint64_t to = 0;
    bool linked = store_check_links(s->store, &to, &s->broken) == 0;
    struct err why = ERR_INIT;
    if ((linked || to > 0) && session_load_state(s->store, to, &s->state, &why) < 0)
        s->broken = why;
    if (s->broken.code == ERR_NONE || s->state.last_seq > 0)
        return 0;
    return err_set(e, s->broken.code, "session %s: %s", s->id, s->broken.msg);
}

int saved_open(struct saved *s, struct app *app, const char *word, struct err *e)
{
    const char *run;
    *s = (struct saved){ .run = 0 };
    state_init(&s->state);
    int rc = saved_resolve(app, word, &s->id, &s->path, &run, e);
    if (rc == 0)
        rc = store_open_read(&s->store, s->path, e);
    if (rc == 0)
        rc = load(s, e);
    if (rc == 0 && run != NULL) {
        s->run = saved_find_run(&s->state, run);
        if (s->run == 0)
            rc = err_set(e, ERR_USAGE, "session %s has no run '%.40s' (it has %zu)", s->id, run,
                         s->state.run_count);
    }
    if (rc < 0)
        saved_close(s);
    return rc;
}

int saved_open_store(struct store **out, struct app *app, const char *word, struct err *e)
{
    char *id = NULL, *path = NULL;
    int rc = app_need_index(app, e);
    if (rc == 0)
        rc = index_refresh(app->index, e);
    if (rc == 0)
        rc = index_resolve(app->index, word, &id, &path, e);
    if (rc == 0)
        rc = store_open_read(out, path, e);
    free(id);
    free(path);
    return rc;
}

void saved_close(struct saved *s)
{
    store_close(s->store);
    state_release(&s->state);
    free(s->id);
    free(s->path);
    *s = (struct saved){ .run = 0 };
}
