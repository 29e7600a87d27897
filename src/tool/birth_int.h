/* birth_int.h - what the files of birth share. */
#ifndef AIRLOCK_TOOL_BIRTH_INT_H
#define AIRLOCK_TOOL_BIRTH_INT_H

#include "tool/birth.h"
#include "tool/probe_int.h"

enum { BIRTH_STREAM, BIRTH_DATAGRAM, BIRTH_ABSTRACT, BIRTH_LISTENERS };

struct birth {
    struct birth_config cfg;
    struct sandbox *s;
    struct loop_source *timer;
    struct probe_report reports[LIGHT_COUNT];
    struct probe probes[LIGHT_COUNT]; /* one writer for each report */
    char nonce[PROBE_NONCE], secret[PROBE_NONCE];
    char *canary, *code; /* canary NULL: none is there */
    int fd[BIRTH_LISTENERS], port[BIRTH_LISTENERS];
    int turn; /* 0, then 1 */
    bool over;
    int64_t since_us;
    struct buf out;
};

/* birth.c: must it have no way to any network of its own? */
bool birth_is_cut_off(const struct birth *b);
/* Is it asked to make a file where the canary lies? */
bool birth_asks_beside_canary(const struct birth *b);
/* birth_judge.c: b->out of the first request, of the second. */
void birth_judge(struct birth *b);
void birth_judge_kept(struct birth *b, bool ran);

#endif
