/* round_save.c - a saved namespace on its way into the record: looked through for secrets and
 * appended a piece a turn, so that a big one keeps nobody waiting; and the old ones on their way
 * out. [architecture §6, SEC-4] */
#include "tool/round_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_BYTES  ((size_t)2 << 20)  /* looked through in one turn */
#define SCAN_MORE   ((size_t)64 << 10) /* beyond it: a secret may lie across the border */
#define REST_TIMES  8                  /* of what a save took, until the next */
#define REST_MAX_US ((int64_t)2000000)
#define PART_BYTES  ((size_t)1 << 20) /* appended in one turn */

static char **copy_names(const char *const *names, size_t count)
{
    char **out = xcalloc(count + 1, sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = xstrdup(names[i]);
    return out;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; names != NULL && i < count; i++)
        free(names[i]);
    free(names);
}

void round_save_release(struct round *r)
{
    struct save *s = &r->save;
    free_names(s->kept, s->kept_count);
    free_names(s->lost, s->lost_count);
    buf_release(&s->blob);
    *s = (struct save){ .stage = SAVE_NOTHING };
}

/* ---- in ---- */

/* Begin the save that is wanted, unless one is under way or it is not time yet. */
static void ask_for_save(struct round *r)
{
    struct err e = ERR_INIT;
    int64_t rest_us = r->save_next_us - clock_boot_us();
    if (!r->save_wanted || r->save.stage != SAVE_NOTHING || r->awaiting_save)
        return;
    if (rest_us > 0) {
        loop_arm_us(r->cfg.loop, r->save_timer, rest_us);
        return;
    }
    r->save_wanted = false;
    if (r->sandbox == NULL || !r->sandbox_ready || r->broken)
        return;
    r->save_asked_us = clock_boot_us();
    r->awaiting_save = r->cfg.sandbox->save(r->sandbox, &e) == 0;
}

static void on_rested(void *arg)
{
    struct round *r = arg;
    ask_for_save(r);
    loop_wake_idle(r->cfg.loop, r->idle);
}

/* A save costs a copy of the interpreter and its processor time: runs that follow one another at
 * once share one, and the one after it waits the longer the longer this one took. */
static void rest(struct round *r)
{
    int64_t now = clock_boot_us(), rest_us = REST_TIMES * (now - r->save_asked_us);
    r->save_next_us = now + (rest_us < REST_MAX_US ? rest_us : REST_MAX_US);
}

static void save_again(struct round *r)
{
    round_save_release(r);
    ask_for_save(r);
    loop_wake_idle(r->cfg.loop, r->idle);
}

void round_save_namespace(struct round *r)
{
    if (r->contract.lifecycle != LIFECYCLE_SESSION || r->cfg.sandbox->save == NULL ||
        (r->cfg.sandbox->caps & SANDBOX_CAN_SAVE) == 0 || r->sandbox == NULL)
        return;
    r->save_wanted = true; /* the newest wins, once the one under way is done */
    ask_for_save(r);
}

void round_save_now(struct round *r)
{
    r->save_next_us = 0;
    ask_for_save(r);
}

static void begin_made(struct event_builder *b, const struct save *s)
{
    event_begin(b, EVENT_CHECKPOINT_MADE, s->run);
    json_w_str(&b->w, "kind", "saved");
    json_w_str(&b->w, "digest", s->digest);
    json_w_int(&b->w, "size", (int64_t)s->blob.len);
}

static void end_made(struct round *r, struct event_builder *b, const struct save *s)
{
    round_write_names(r, &b->w, "kept", (const char *const *)s->kept, s->kept_count);
    round_write_names(r, &b->w, "lost", (const char *const *)s->lost, s->lost_count);
}

static void record_secret(struct round *r, const struct save *s)
{
    struct event_builder b;
    event_begin(&b, EVENT_CHECKPOINT_LOST, s->run);
    json_w_str(&b.w, "kind", "saved");
    json_w_array(&b.w, "lost");
    json_w_close_array(&b.w);
    json_w_str(&b.w, "why", "a variable holds a secret: the namespace is not recorded");
    round_record(r, &b);
}

/* The same bytes are in the file already: one more run refers to them. */
static bool is_there(const struct round *r, const char *digest)
{
    const struct state *st = r->cfg.state;
    if (st->origin != NULL && st->origin->saved.there &&
        strcmp(st->origin->saved.digest, digest) == 0)
        return true;
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_saved *s = &st->runs[i]->saved;
        if (s->there && strcmp(s->digest, digest) == 0)
            return true;
    }
    return false;
}

static void step_scan(struct round *r)
{
    struct save *s = &r->save;
    size_t left = s->blob.len - s->at, take = left < SCAN_BYTES ? left : SCAN_BYTES, at;
    size_t look = take + SCAN_MORE < left ? take + SCAN_MORE : left;
    if (r->cfg.redact != NULL && !redact_is_empty(r->cfg.redact) &&
        redact_find(r->cfg.redact, s->blob.ptr + s->at, look, &at) != NULL) {
        record_secret(r, s);
        save_again(r);
        return;
    }
    s->at += take;
    if (s->at < s->blob.len)
        return;
    s->at = 0;
    if (is_there(r, s->digest)) {
        struct event_builder b;
        begin_made(&b, s);
        end_made(r, &b, s);
        s->stage = SAVE_RETAIN;
        round_record(r, &b);
    } else {
        s->stage = SAVE_WRITE;
    }
}

static void step_write(struct round *r)
{
    struct save *s = &r->save;
    struct event_builder b;
    size_t left = s->blob.len - s->at;
    const char *p = s->blob.ptr + s->at;
    if (left > PART_BYTES) {
        event_begin(&b, EVENT_CHECKPOINT_PART, s->run);
        json_w_str(&b.w, "kind", "saved.part");
        json_w_int(&b.w, "part", ++s->part);
        s->at += PART_BYTES;
        (void)round_record_checkpoint(r, &b, "saved.part", s->digest, p, PART_BYTES);
        return;
    }
    begin_made(&b, s);
    if (s->part > 0)
        json_w_int(&b.w, "parts", s->part + 1);
    end_made(r, &b, s);
    s->stage = SAVE_RETAIN;
    (void)round_record_checkpoint(r, &b, "saved", s->digest, p, left);
}

/* ---- out ---- */

static void record_dropped(struct round *r, uint32_t run)
{
    struct event_builder b;
    event_begin(&b, EVENT_CHECKPOINT_LOST, run);
    json_w_str(&b.w, "kind", "saved");
    json_w_array(&b.w, "lost");
    json_w_close_array(&b.w);
    json_w_str(&b.w, "why", RETAIN_WORDS);
    round_record(r, &b);
}

/* One namespace a turn loses its place; its bytes follow, unless another run has the same. */
static void step_retain(struct round *r)
{
    struct save *s = &r->save;
    uint32_t run = retain_choose(r->cfg.state);
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    if (sr == NULL) {
        save_again(r);
        return;
    }
    snprintf(s->drop, sizeof s->drop, "%s", sr->saved.digest);
    record_dropped(r, run);
    if (!is_there(r, s->drop))
        s->stage = SAVE_DROP;
}

static void step_drop(struct round *r)
{
    struct err e = ERR_INIT;
    bool more = false;
    if (r->cfg.port.drop_checkpoint(r->cfg.port.arg, r->save.drop, &more, &e) < 0)
        round_break(r, &e);
    else if (!more)
        r->save.stage = SAVE_RETAIN;
}

static void on_save(void *arg)
{
    struct round *r = arg;
    switch (r->save.stage) {
    case SAVE_SCAN:
        step_scan(r);
        break;
    case SAVE_WRITE:
        step_write(r);
        break;
    case SAVE_RETAIN:
        step_retain(r);
        break;
    case SAVE_DROP:
        step_drop(r);
        break;
    case SAVE_NOTHING:
        return;
    }
    if (r->broken)
        round_save_release(r);
    if (r->save.stage != SAVE_NOTHING)
        loop_wake_idle(r->cfg.loop, r->save_idle);
}

void round_save_init(struct round *r)
{
    r->save_idle = loop_add_idle(r->cfg.loop, on_save, r);
    r->save_timer = loop_add_timer(r->cfg.loop, on_rested, r);
}

void round_on_saved(struct round *r, const struct sandbox_event *ev)
{
    struct save *s = &r->save;
    r->awaiting_save = false;
    rest(r);
    loop_wake_idle(r->cfg.loop, r->idle);
    /* Run 0: an interpreter in which nothing ran yet, such as the one after a crash. */
    if (ev->err != NULL || ev->len == 0 || ev->run == 0 || r->broken || s->stage != SAVE_NOTHING ||
        state_run_at(r->cfg.state, ev->run) == NULL) {
        ask_for_save(r);
        return;
    }
    r->save_wanted = r->save_wanted && ev->run != r->cfg.state->vars_run;
    *s = (struct save){ .stage = SAVE_SCAN, .run = ev->run };
    s->kept = copy_names(ev->kept, s->kept_count = ev->kept_count);
    s->lost = copy_names(ev->lost, s->lost_count = ev->lost_count);
    uint8_t hash[SHA256_LEN];
    if (ev->digest != NULL && strlen(ev->digest) == SHA256_HEX_LEN) {
        memcpy(s->digest, ev->digest, SHA256_HEX_LEN + 1);
    } else {
        sha256_once(ev->ptr, ev->len, hash);
        hex_encode(hash, sizeof hash, s->digest);
    }
    if (ev->blob != NULL) {
        s->blob = *ev->blob;
        buf_init(ev->blob, 0);
    } else {
        buf_init(&s->blob, ev->len + 1);
        INVARIANT(buf_add(&s->blob, ev->ptr, ev->len) == 0);
    }
    if (hex_decode(s->digest, SHA256_HEX_LEN, hash) == 0 && r->cfg.state->vars_run == ev->run)
        memcpy(r->parent_state, hash, sizeof hash);
    loop_wake_idle(r->cfg.loop, r->save_idle);
}
