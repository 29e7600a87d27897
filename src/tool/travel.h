/* travel.h - going back to an earlier run: how that can be done, what comes back and what is lost.
 * Pure: reads the state only, so it can be shown before anything is done. [architecture §6] */
#ifndef AIRLOCK_TOOL_TRAVEL_H
#define AIRLOCK_TOOL_TRAVEL_H

#include "tool/state.h"

enum travel_how {
    TRAVEL_NOT,    /* why says why not */
    TRAVEL_HERE,   /* the interpreter is there already */
    TRAVEL_FROZEN, /* a frozen copy in the live sandbox takes over: exact; files stay as they are */
    TRAVEL_SNAPSHOT, /* a new sandbox starts from the provider's snapshot: memory and files */
    TRAVEL_SAVED,    /* the saved namespace goes into a new sandbox: files and processes are lost */
};
struct travel {
    enum travel_how how;
    bool fork; /* for a session of its own */
    uint32_t run;
    uint32_t from; /* TRAVEL_SAVED: whose namespace; an earlier run when `run` has none */
    char why[160];
};
void travel_plan(struct travel *out, const struct state *st, uint32_t run);
/* The same from the saved namespace only, as for a session of its own (`fork`). */
void travel_plan_fork(struct travel *out, const struct state *st, uint32_t run);

/* The plan in words, for a person: lines of UTF-8, untrusted names as they are. A line that begins
 * with "+ " names what comes back, "- " what is lost. */
void travel_print(const struct travel *t, const struct state *st, struct buf *out);

#endif
