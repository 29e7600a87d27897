/* e2b_farewell.c - the last word to a sandbox whose owner goes away, on a loop of its own. */
#include <string.h>

#include "base/loop.h"
#include "providers/sandboxes/e2b_int.h"

#define FOUND_MAX 4

struct farewell {
    struct net *net;
    const struct net_origin *api;
    const char *label;
    char ids[FOUND_MAX][E2B_ID_MAX];
    int count, asked;
    bool done, listed;
    int gone;
};

static void ask(struct farewell *f, const char *method, const char *target, net_done_fn done);

static void on_killed(void *arg, const struct net_result *r)
{
    struct farewell *f = arg;
    if (r->end != NET_ANSWERED || (r->status >= 300 && r->status != 404))
        log_msg(LOG_ERROR, "e2b", "%s may still run: %s %d", f->ids[f->asked - 1],
                net_end_name(r->end), r->status);
    else
        f->gone++;
    f->done = true;
}

static void kill_next(struct farewell *f)
{
    struct buf target = BUF_INIT(256);
    f->done = f->asked == f->count;
    if (!f->done) {
        e2b_target(&target, f->ids[f->asked++], "");
        ask(f, "DELETE", buf_str(&target), on_killed);
    }
    buf_release(&target);
}

static void on_listed(void *arg, const struct net_result *r)
{
    struct farewell *f = arg;
    struct err e = ERR_INIT;
    int n = r->status == 200
                ? e2b_read_listing(r->body, r->body_len, f->label, f->ids, FOUND_MAX, &e)
                : -1;
    f->count = n > 0 ? n : 0;
    f->listed = n > 0; /* none: it may still come */
    f->done = true;
}

static void ask(struct farewell *f, const char *method, const char *target, net_done_fn done)
{
    struct net_call *call;
    struct net_request rq = { .method = method,
                              .origin = f->api,
                              .target = target,
                              .deadlines = { .connect_ms = 3000 },
                              .on_done = done,
                              .arg = f };
    f->done = net_send(f->net, &rq, &call, NULL) < 0;
}

static void turn(struct loop *lp, struct farewell *f, int64_t until_us)
{
    while (!f->done && clock_boot_us() < until_us)
        if (loop_turn(lp, 100, NULL) < 0)
            return;
}

bool e2b_farewell(const struct net_origin *api, const char *id, const char *label, int ms)
{
    struct farewell f = { .api = api, .label = label };
    struct loop *lp;
    struct buf target = BUF_INIT(2048);
    int64_t until_us = clock_boot_us() + ms * INT64_C(1000);
    if (loop_new(&lp, NULL) < 0)
        return false;
    f.net = net_new(lp);
    if (id[0] != '\0') {
        memcpy(f.ids[0], id, strlen(id) + 1);
        f.count = 1;
        f.listed = true;
    } else {
        e2b_write_list_target(label, NULL, &target);
        ask(&f, "GET", buf_str(&target), on_listed);
        turn(lp, &f, until_us);
    }
    while (f.asked < f.count && clock_boot_us() < until_us) {
        kill_next(&f);
        turn(lp, &f, until_us);
    }
    net_free(f.net);
    loop_free(lp);
    buf_release(&target);
    return f.listed && f.gone == f.count;
}
