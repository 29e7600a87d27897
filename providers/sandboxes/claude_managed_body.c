/* claude_managed_body.c - what of a run leaves: the command and the files, and the way back from
 * them to the run that was approved. [APR-3] */
#include <stdio.h>
#include <string.h>

#include "base/share.h"
#include "providers/sandboxes/claude_managed_int.h"

#define RUNNER  MANAGED_UPLOADS MANAGED_RUNNER_MOUNT
#define PAYLOAD MANAGED_UPLOADS MANAGED_PAYLOAD_MOUNT

int managed_body_write(const struct managed *s, struct managed_run *r)
{
    const struct share_file *f = claude_runner(CLAUDE_SHELL);
    r->mounted = (s->link != LINK_LIVE && s->link != LINK_CUT) ||
                 claude_program_bytes(&r->d.rq) > CLAUDE_LITERAL_MAX;
    if (claude_command_write(r->payload.ptr, r->payload.len, RUNNER, r->mounted ? PAYLOAD : NULL,
                             &r->command) < 0 ||
        managed_write_message(r, &r->message) < 0)
        return -1;
    if (!r->mounted)
        return 0;
    return claude_write_upload("airlock.py", "text/x-python", f->ptr, f->len, &r->uploads[0],
                               r->upload_types[0]) < 0 ||
                   claude_write_upload("airlock-run.json", "application/json", r->payload.ptr,
                                       r->payload.len, &r->uploads[1], r->upload_types[1]) < 0
               ? -1
               : 0;
}

/* ---- read back */

static int no_body(const char *what, struct err *e)
{
    return err_set(e, ERR_INTEGRITY, "claude-managed: the request's %s is not what was to be sent",
                   what);
}

/* The file in the body of an upload, by its boundary; lent. */
static const char *read_upload(const struct buf *body, const char *type, size_t *len)
{
    static const char key[] = "boundary=";
    char end[96];
    const char *boundary = strstr(type, key);
    if (boundary == NULL || body->len == 0)
        return NULL;
    size_t n = (size_t)snprintf(end, sizeof end, "\r\n--%s--\r\n", boundary + sizeof key - 1);
    const char *from = strstr(body->ptr, "\r\n\r\n");
    if (from == NULL || body->len < n || memcmp(body->ptr + body->len - n, end, n) != 0)
        return NULL;
    from += 4;
    *len = (size_t)(body->ptr + body->len - n - from);
    return body->ptr + body->len - n >= from ? from : NULL;
}

static bool has_hash(const char *p, size_t len, const char *hex)
{
    uint8_t hash[SHA256_LEN];
    char got[SHA256_HEX_LEN + 1];
    sha256_once(p, len, hash);
    hex_encode(hash, sizeof hash, got);
    return strcmp(got, hex) == 0;
}

/* The payload that the container will read: in the command, or the mounted file that the command
 * demands by its hash. */
static const char *find_payload(const struct managed_run *r, const struct claude_command *c,
                                size_t *len)
{
    size_t n = 0;
    const struct share_file *f = claude_runner(CLAUDE_SHELL);
    if (strcmp(c->runner, RUNNER) != 0 || !has_hash(f->ptr, f->len, c->runner_hash))
        return NULL;
    if (!r->mounted) {
        *len = c->payload_len;
        return c->payload;
    }
    const char *runner = read_upload(&r->uploads[0], r->upload_types[0], &n);
    if (runner == NULL || !has_hash(runner, n, c->runner_hash))
        return NULL;
    const char *p = read_upload(&r->uploads[1], r->upload_types[1], len);
    return p != NULL && strcmp(c->path, PAYLOAD) == 0 && has_hash(p, *len, c->payload_hash) ? p
                                                                                            : NULL;
}

int managed_body_check(struct managed *s, struct managed_run *r, struct err *e)
{
    struct json *tree;
    struct claude_command c;
    struct claude_decoded d;
    int64_t timeout_ms = -1;
    size_t len = 0;
    const char *command = managed_read_message(&tree, &r->message, &timeout_ms), *payload = NULL;
    int rc = -1;
    if (command == NULL || strlen(command) != r->command.len ||
        memcmp(command, r->command.ptr, r->command.len) != 0 || timeout_ms != r->timeout_ms)
        rc = no_body("command", e);
    else if (claude_command_read(&c, command, strlen(command), e) == 0)
        payload = find_payload(r, &c, &len);
    if (payload == NULL) {
        if (e->code == ERR_NONE)
            (void)no_body("program", e);
    } else {
        rc = claude_program_read(&d, payload, len, e);
        d.rq.run = r->d.rq.run;
        if (rc == 0 && d.terms.timeout_s != s->contract.timeout_s)
            rc = no_body("timeout", e);
        if (rc == 0 && s->core.check_body != NULL)
            rc = s->core.check_body(s->core.arg, &d.rq, e);
        claude_decoded_release(&d);
    }
    json_free(tree);
    return rc;
}
