/* round_propose.c - a proposal comes in: checked, recorded, or queued behind what is under way. */
#include "tool/round_int.h"

#include <string.h>

#include "base/utf8.h"

static size_t line_of(const char *p, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset; i++)
        line += p[i] == '\n';
    return line;
}

/* What a transport can't carry exactly, or what must never reach the record, is refused before
 * anything is written. */
static int check_code(struct round *r, const struct proposal *p, struct err *e)
{
    if (p->code_len == 0 || strspn(p->code, " \t\r\n") == p->code_len)
        return err_set(e, ERR_FORMAT, "there is no code in it");
    if (p->code_len > CODE_MAX)
        return err_set(e, ERR_LIMIT,
                       "code of %zu bytes is over the limit of 1 MiB: put data in a file",
                       p->code_len);
    const char *nul = memchr(p->code, '\0', p->code_len);
    if (nul != NULL)
        return err_set(
            e, ERR_FORMAT,
            "line %zu of the code holds a NUL byte, which can't be carried exactly: remove it",
            line_of(p->code, (size_t)(nul - p->code)));
    size_t ok = utf8_valid_prefix(p->code, p->code_len);
    if (ok < p->code_len)
        return err_set(
            e, ERR_FORMAT,
            "line %zu of the code is not valid UTF-8 (byte 0x%02x at offset %zu): save it as UTF-8",
            line_of(p->code, ok), (unsigned char)p->code[ok], ok);
    if (r->cfg.sandbox->interpreter(&r->contract, p->language) == NULL)
        return err_set(e, ERR_USAGE, "sandbox %s does not run %s (it runs: %s)",
                       r->cfg.sandbox->name, p->language, r->cfg.sandbox->languages);
    return 0;
}

static int check_secrets(struct round *r, const struct proposal *p, struct err *e)
{
    size_t at = 0;
    const char *name;
    if (r->cfg.redact == NULL)
        return 0;
    name = redact_find(r->cfg.redact, p->code, p->code_len, &at);
    if (name != NULL)
        return err_set(e, ERR_DENIED, "line %zu holds secret %s; pass it with `-c env=%s`",
                       line_of(p->code, at), name, name);
    if (p->input_len > 0 &&
        (name = redact_find(r->cfg.redact, p->input, p->input_len, &at)) != NULL)
        return err_set(e, ERR_DENIED, "its input holds secret %s; pass it with `-c env=%s`", name,
                       name);
    const char *const words[] = { p->purpose, p->expect, p->step };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (words[i] != NULL &&
            (name = redact_find(r->cfg.redact, words[i], strlen(words[i]), &at)) != NULL)
            return err_set(e, ERR_DENIED, "its %s holds secret %s: say it without",
                           i == 0   ? "purpose"
                           : i == 1 ? "expectation"
                                    : "step",
                           name);
    }
    for (size_t i = 0; i < p->argv_count; i++) {
        name = redact_find(r->cfg.redact, p->argv[i], strlen(p->argv[i]), &at);
        if (name != NULL)
            return err_set(e, ERR_DENIED, "argument %zu holds secret %s; pass it with `-c env=%s`",
                           i, name, name);
    }
    for (size_t i = 0; i < p->file_count; i++) {
        name = redact_find(r->cfg.redact, p->files[i].ptr, p->files[i].len, &at);
        if (name != NULL)
            return err_set(e, ERR_DENIED, "file %s holds secret %s; pass it with `-c env=%s`",
                           p->files[i].name, name, name);
    }
    return 0;
}

int round_check_proposal(struct round *r, const struct proposal *p, struct err *e)
{
    struct expectation x = { 0 };
    if (check_code(r, p, e) < 0 || check_secrets(r, p, e) < 0)
        return -1;
    if (expectation_parse(&x, p->expect, strlen(p->expect), e) < 0)
        return err_wrap(e, "expectation");
    expectation_release(&x);
    return 0;
}

void round_write_proposed(struct json_w *w, const struct proposal *p, uint32_t rev,
                          uint32_t attempt)
{
    json_w_int(w, "rev", rev);
    if (p->twin_of != 0)
        json_w_int(w, "twin_of", p->twin_of);
    json_w_str(w, "step", p->step);
    json_w_int(w, "attempt", attempt);
    json_w_str(w, "language", p->language);
    json_w_strn(w, "code", p->code, p->code_len);
    json_w_strn(w, "purpose", p->purpose, strlen(p->purpose));
    if (p->expect[0] != '\0')
        json_w_lines(w, "expect", p->expect);
    if (p->argv_count > 0) {
        json_w_array(w, "argv");
        for (size_t i = 0; i < p->argv_count; i++)
            json_w_strn(w, NULL, p->argv[i], strlen(p->argv[i]));
        json_w_close_array(w);
    }
    if (p->input_len > 0)
        json_w_text_or_base64(w, "stdin", "stdin_base64", p->input, p->input_len);
    json_w_str(w, "author", p->author);
    if (p->call_id != NULL && p->call_id[0] != '\0' && rev == 1)
        json_w_str(w, "call_id", p->call_id);
}

static int record_files(struct round *r, const struct proposal *p)
{
    for (size_t i = 0; i < p->file_count; i++) {
        const struct sandbox_file *f = &p->files[i];
        uint8_t hash[SHA256_LEN];
        char hex[SHA256_HEX_LEN + 1];
        struct event_builder b;
        sha256_once(f->ptr, f->len, hash);
        hex_encode(hash, sizeof hash, hex);
        event_begin(&b, EVENT_FILE_PUT, p->run);
        json_w_str(&b.w, "path", f->name);
        json_w_int(&b.w, "bytes", (int64_t)f->len);
        json_w_str(&b.w, "sha256", hex);
        if (round_record_artifact(r, &b, "application/octet-stream", f->name, f->ptr, f->len) < 0)
            return -1;
    }
    return 0;
}

static void record_proposal(struct round *r, struct proposal *p)
{
    struct state *st = r->cfg.state;
    p->run = (uint32_t)st->run_count + 1;
    p->next = r->proposals;
    r->proposals = p;
    uint32_t attempt = p->step[0] != '\0' ? state_attempts_spent(st, p->step) + 1 : 1;
    struct event_builder b;
    event_begin(&b, EVENT_RUN_PROPOSED, p->run);
    round_write_proposed(&b.w, p, 1, attempt);
    if (round_record(r, &b) == 0)
        (void)record_files(r, p);
}

static bool is_occupied(const struct round *r)
{
    const struct state *st = r->cfg.state;
    return st->gate.open || st->running != 0 || r->start_run != 0 || r->queue_len > 0 ||
           r->awaiting_state || r->twin.of != 0;
}

int round_propose(struct round *r, struct proposal *p, struct err *e)
{
    int rc = 0;
    if (r->broken)
        rc = err_set(e, ERR_IO, "the session's record can't be written any more: nothing can run");
    else if (r->cfg.state->finished)
        rc = err_set(e, ERR_USAGE, "the session has ended: start a new one or fork this one");
    else
        rc = round_check_proposal(r, p, e);
    if (rc < 0) {
        proposal_free(p);
        return -1;
    }
    struct proposal **at = &r->waiting;
    while (*at != NULL)
        at = &(*at)->next;
    *at = p;
    loop_wake_idle(r->cfg.loop, r->idle);
    return 0;
}

void round_propose_next(struct round *r)
{
    struct proposal *p = r->waiting;
    if (p == NULL || r->broken || is_occupied(r))
        return;
    r->waiting = p->next;
    p->next = NULL;
    if (p->step[0] != '\0' && state_attempts_spent(r->cfg.state, p->step) >= STATE_ATTEMPTS_MAX) {
        round_tell_refused(r, p,
                           "three attempts at this step have failed: say so, or ask the person");
        proposal_free(p);
        return;
    }
    record_proposal(r, p);
}

int round_own_code(struct round *r, const struct round_own *own, struct err *e)
{
    struct proposal *p = proposal_new();
    p->language = xstrdup(own->language);
    p->code = xmemdup(own->code, own->code_len);
    p->code_len = own->code_len;
    p->purpose = xstrdup(own->purpose != NULL ? own->purpose : "");
    p->step = xstrdup("");
    p->expect = xstrdup(own->expect != NULL ? own->expect : "");
    p->author = xstrdup("person");
    p->call_id = xstrdup("");
    p->input = xmemdup(own->input != NULL ? own->input : "", own->input_len);
    p->input_len = own->input_len;
    p->argv = xcalloc(own->argv_count, sizeof *p->argv);
    for (; p->argv_count < own->argv_count; p->argv_count++)
        p->argv[p->argv_count] = xstrdup(own->argv[p->argv_count]);
    p->files = xcalloc(own->file_count, sizeof *p->files);
    for (; p->file_count < own->file_count; p->file_count++) {
        const struct sandbox_file *f = &own->files[p->file_count];
        p->files[p->file_count] = (struct sandbox_file){
            .name = xstrdup(f->name), .mode = f->mode, .ptr = xmemdup(f->ptr, f->len), .len = f->len
        };
    }
    p->typed = own->typed;
    return round_propose(r, p, e);
}
