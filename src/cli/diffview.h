/* diffview.h - `airlock diff` on a terminal: the comparison on a screen of its own, with keys. */
#ifndef AIRLOCK_CLI_DIFFVIEW_H
#define AIRLOCK_CLI_DIFFVIEW_H

#include "cli/app.h"
#include "sessions/compare.h"

struct diffview;

/* One part of one pair; `title` and `note` are copied, `c` is taken. */
void diffview_add(struct diffview *v, const char *title, const char *note, struct compare *c);

/* What is being compared now, and, as a compare_how's `tick` with the view as its arg: keys are
 * heard, and after a moment the screen says what takes so long. ERR_CANCELLED: the person left. */
void diffview_working(struct diffview *v, uint32_t a, uint32_t b, const char *part);
int diffview_tick(void *view, struct err *e) MUST_CHECK;

struct diffview_spec {
    const char *header; /* borrowed while it runs */
    unsigned masks;
    bool beside;
    /* Compare all parts through `masks` and add them; called again when masks are switched. */
    int (*build)(void *arg, unsigned masks, struct diffview *v, struct err *e);
    void *arg;
};
/* Until the person leaves; ERR_CANCELLED: before all was compared. */
int diffview_run(struct app *app, const struct diffview_spec *spec, struct err *e) MUST_CHECK;

#endif
