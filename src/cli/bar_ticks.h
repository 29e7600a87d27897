/* bar_ticks.h - the marks of a recording as ticks on the bar of its replay: of each kind the first
 * in each part of the bar. */
#ifndef AIRLOCK_CLI_BAR_TICKS_H
#define AIRLOCK_CLI_BAR_TICKS_H

#include "sessions/replay.h"
#include "ui/view.h"

#define BAR_TICKS_MAX ((TICK_FAILURE + 1) * (VIEW_BAR_PARTS + 1))

struct bar_ticks {
    struct view_tick tick[BAR_TICKS_MAX];
    uint64_t seq[BAR_TICKS_MAX];
    size_t count;
    bool made; /* false after the clock changed */
};

/* The ticks into `out`; failures after event `until` are kept back. Returns how many. */
size_t bar_ticks_show(struct bar_ticks *t, const struct replay *clock, uint64_t until,
                      struct view_tick out[BAR_TICKS_MAX]);

#endif
