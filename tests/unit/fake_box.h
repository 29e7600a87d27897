/* fake_box.h - one sandbox of a remote kind on a loop and a network that are the test's own
 * (fake_net.h): what the test programs of those kinds share. */
#ifndef AIRLOCK_TESTS_FAKE_BOX_H
#define AIRLOCK_TESTS_FAKE_BOX_H

#include "providers/registry.h"
#include "unit/fake_net.h"

#define LABEL "s1-1"

static struct loop *lp;
static struct net *net;
static struct sandbox *box;
static struct contract terms;
static bool refuse_body; /* the owner's check finds something else than what was approved */

static inline int on_body(void *arg, const struct sandbox_run *rq, struct err *e)
{
    (void)arg, (void)rq;
    return refuse_body ? err_set(e, ERR_INTEGRITY, "not what was approved") : 0;
}

static inline void turns(unsigned n)
{
    struct err e = ERR_INIT;
    while (n-- > 0)
        assert_int_equal(loop_turn(lp, 0, &e), 0);
}

/* Until *count is at least `want`, or *over is not 0 (NULL: nothing else ends it); two hours of its
 * time at most. */
static inline void box_await(const unsigned *count, unsigned want, const unsigned *over)
{
    struct err e = ERR_INIT;
    for (unsigned i = 0; *count < want && (over == NULL || *over == 0); i++) {
        if (i == 72000)
            fail_msg("hangs behind %s", fake.last);
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    }
}

static inline void box_set_up(void (*respond)(struct fake_call *c))
{
    struct err e = ERR_INIT;
    refuse_body = false;
    fake.respond = respond;
    assert_int_equal(loop_new(&lp, &e), 0);
    net = net_new(lp);
    box = NULL;
}

static inline void box_tear_down(void)
{
    if (box != NULL)
        box->ops->close(box);
    turns(3); /* freeing may wait for the loop */
    net_free(net);
    loop_free(lp);
    fake_reset();
}

#endif
