/* runparts.h - the parts of a recorded run that can be compared: what `diff` and `rerun` share. */
#ifndef AIRLOCK_CLI_RUNPARTS_H
#define AIRLOCK_CLI_RUNPARTS_H

#include "sessions/compare.h"
#include "tool/state.h"

enum run_part {
    PART_CODE, /* never masked */
    PART_STDOUT,
    PART_STDERR,
    PART_RESULT, /* texts; pictures and other bytes by type, size and SHA-256 */
    PART_VARS,   /* one line each: name, type, shape, preview, digest */
    PART_FILES,  /* that the run made, changed or removed: path, change, size */
    PART_END,    /* how it ended */
    PART_MERGED, /* both streams in the order in which they were recorded, each line marked */
    PART_COUNT
};
/* Those that are compared unless others are asked for: all but the merged streams. */
#define PARTS_USUAL ((1u << PART_MERGED) - 1)
const char *run_part_name(enum run_part part);

struct run_ref {
    struct store *store;
    const struct state_run *run;
};

/* As compare_sources; release *out also on failure. */
int run_compare(struct compare *out, enum run_part part, const struct run_ref *a,
                const struct run_ref *b, const struct compare_how *how, struct err *e) MUST_CHECK;

#endif
