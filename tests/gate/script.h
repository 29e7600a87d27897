/* script.h - what happens to one gate: bytes and signals with their times, drawn from a seed. */
#ifndef AIRLOCK_TESTS_GATE_SCRIPT_H
#define AIRLOCK_TESTS_GATE_SCRIPT_H

#include "gate/oracle.h"

enum step_kind {
    STEP_KEY,   /* one key press of a person */
    STEP_NOISE, /* bytes that are none */
    STEP_OPEN,  /* the gate opens */
    STEP_STALL, /* the program does not run for `wait_us` */
    STEP_RESIZE,
    STEP_CONT,  /* SIGCONT without a word before */
    STEP_CLOSE, /* the gate goes without a decision: the run was taken back */
    STEP_EOF,
    STEP_HUP,
    STEP_TERM
};

struct step {
    enum step_kind kind;
    int64_t gap_us; /* since the step before */
    char bytes[64];
    size_t len;
    int64_t wait_us;
    int w, h;
};

#define STEPS_MAX 96
struct script {
    struct step steps[STEPS_MAX];
    size_t count;
    bool fresh; /* begins at the prompt, which is empty, after 3 s of silence */
};

uint32_t draw(uint32_t below); /* of the generator that script_seed() set */
void script_seed(uint64_t seed);
void script_make(struct script *s, const struct oracle_gate *g);

#endif
