/* round_given.c - the code that waited at a gate when the program ended comes back with what was
 * given to it: arguments, input and files are fields of its capsule. [capsule fields 10, 13, 14] */
#include "tool/round_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/given.h"

struct past {
    struct proposal *p;
    struct buf input;
    struct err *e;
    bool failed;
};

static void take_file(void *arg, const char *name, const void *bytes, size_t len)
{
    struct proposal *p = arg;
    p->files = xreallocarray(p->files, p->file_count + 1, sizeof *p->files);
    p->files[p->file_count++] = (struct sandbox_file){
        .name = xstrdup(name), .mode = 0644, .ptr = xmemdup(bytes, len), .len = len
    };
}

static int take_event(void *arg, const struct event *ev)
{
    struct past *past = arg;
    struct proposal *p = past->p;
    if (ev->run != p->run)
        return 0;
    if (ev->body == NULL) {
        err_set(past->e, ERR_MISSING, "event %llu was erased", (unsigned long long)ev->seq);
        past->failed = true;
    } else if (ev->type == EVENT_GATE_OPENED) {
        snprintf(p->waited_as, sizeof p->waited_as, "%s", json_get_str(ev->body, "code_key", ""));
    } else {
        p->waited_as[0] = '\0'; /* a later revision, which no gate has shown */
        past->failed = given_read(ev->body, &p->argv, &p->argv_count, &past->input, past->e) < 0;
    }
    return past->failed;
}

static int bring_words(struct round *r, const struct state_run *sr, struct proposal *p,
                       struct err *e)
{
    const uint64_t types = UINT64_C(1) << EVENT_RUN_PROPOSED | UINT64_C(1) << EVENT_GATE_OPENED;
    struct past past = { .p = p, .input = BUF_INIT(EVENT_BODY_MAX), .e = e };
    int rc = r->cfg.port.each_event(r->cfg.port.arg, types, sr->first_seq, sr->last_seq, take_event,
                                    &past, e);
    free(p->input);
    p->input_len = past.input.len;
    p->input = xmemdup(buf_str(&past.input), past.input.len);
    buf_release(&past.input);
    return rc < 0 || past.failed ? -1 : 0;
}

/* A run that never started has no artifacts but the files that are to lie there before its code. */
void round_bring_given_back(struct round *r, const struct state_run *sr)
{
    struct err e = ERR_INIT;
    struct proposal *p = proposal_new();
    char **const words[] = { &p->language, &p->code,   &p->purpose, &p->step,
                             &p->expect,   &p->author, &p->call_id, &p->input };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        *words[i] = xstrdup("");
    p->run = sr->number;
    p->next = r->proposals;
    r->proposals = p;
    if (r->cfg.port.each_event != NULL && bring_words(r, sr, p, &e) < 0)
        round_record_error(r, p->run, &e,
                           "the arguments and the input that belong to this code are missing: deny "
                           "it");
    err_clear(&e);
    if (r->cfg.port.each_artifact != NULL &&
        r->cfg.port.each_artifact(r->cfg.port.arg, p->run, take_file, p, &e) < 0)
        round_record_error(r, p->run, &e,
                           "the files that belong to this code are missing: deny it");
}

void round_compare_given(struct round *r, struct proposal *p, const uint8_t code_key[SHA256_LEN])
{
    struct err why = ERR_INIT;
    char hex[SHA256_HEX_LEN + 1];
    hex_encode(code_key, SHA256_LEN, hex);
    if (p->waited_as[0] != '\0' && strcmp(p->waited_as, hex) != 0) {
        err_set(&why, ERR_INTEGRITY,
                "this is not what waited at the gate before (code key %.8s, it was %.8s)", hex,
                p->waited_as);
        round_record_error(r, p->run, &why,
                           "its arguments, input, files or interpreter are others: read it anew, "
                           "or deny it");
    }
    p->waited_as[0] = '\0';
}
