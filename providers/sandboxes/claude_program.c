/* claude_program.c - an approved run becomes a payload and a bash command, or a cell. */
#include "providers/sandboxes/claude_program.h"

#include <string.h>

#include "base/share.h"

void claude_terms_init(struct claude_terms *t, int64_t timeout_s)
{
    uint8_t raw[CLAUDE_TOKEN_LEN / 2];
    random_bytes(raw, sizeof raw);
    hex_encode(raw, sizeof raw, t->token);
    t->timeout_s = timeout_s;
    t->form = CLAUDE_SHELL;
    t->life[0] = '\0';
}

static void add_part(struct buf *b, const char *name)
{
    const struct share_file *f = share_find(name);
    INVARIANT(f != NULL);
    (void)buf_add(b, f->ptr, f->len);
}

/* The fresh interpreter is given run.py as text. */
static void write_runner(enum claude_form form, struct buf *b)
{
    bool shell = form == CLAUDE_SHELL;
    (void)buf_add_str(b, shell ? "RUN = r'''\n" : "");
    add_part(b, "cells/claude/run.py");
    (void)buf_add_str(b, shell ? "'''\n\n" : "\n\n");
    add_part(b, "cells/claude/common.py");
    (void)buf_add_str(b, "\n\n");
    add_part(b, shell ? "cells/claude/shell.py" : "cells/claude/repl.py");
}

const struct share_file *claude_runner(enum claude_form form)
{
    static struct buf text[CLAUDE_FORMS];
    static struct share_file files[CLAUDE_FORMS];
    if (files[form].ptr == NULL) {
        buf_init(&text[form], CLAUDE_LITERAL_MAX * 4);
        write_runner(form, &text[form]);
        INVARIANT(text[form].len < text[form].max);
        files[form] = (struct share_file){ .name = form == CLAUDE_SHELL ? "airlock.py" : "cell",
                                           .ptr = buf_str(&text[form]),
                                           .len = text[form].len };
    }
    return &files[form];
}

size_t claude_program_bytes(const struct sandbox_run *rq)
{
    size_t n = rq->code_len + rq->check_code_len + rq->input_len;
    for (size_t i = 0; i < rq->argv_count; i++)
        n += strlen(rq->argv[i]) + 1;
    for (size_t i = 0; i < rq->file_count; i++)
        n += strlen(rq->files[i].name) + rq->files[i].len;
    return n;
}

static bool leads_out(const char *path)
{
    for (const char *p = path; *p != '\0';) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 2 && strncmp(p, "..", 2) == 0))
            return true;
        p += n + (p[n] == '/');
    }
    return path[0] == '\0';
}

static int check(const struct sandbox_run *rq, struct err *e)
{
    static const char root[] = "/workspace";
    size_t n = sizeof root - 1;
    if (claude_program_bytes(rq) > CLAUDE_MOUNTED_MAX)
        return err_set(e, ERR_LIMIT, "code, input and files are at most %zu MiB here",
                       CLAUDE_MOUNTED_MAX >> 20);
    if (rq->exists_count > CLAUDE_EXISTS_MAX)
        return err_set(e, ERR_LIMIT, "at most %d paths can be asked for", CLAUDE_EXISTS_MAX);
    if (strncmp(rq->cwd, root, n) != 0 || (rq->cwd[n] != '\0' && leads_out(rq->cwd + n + 1)))
        return err_set(e, ERR_USAGE, "the working directory is outside /workspace");
    for (size_t i = 0; i < rq->file_count; i++)
        if (leads_out(rq->files[i].name))
            return err_set(e, ERR_USAGE, "a file leads out of the workspace");
    return 0;
}

static void add_text(struct json_w *w, const char *key, const char *s)
{
    json_w_base64(w, key, s, strlen(s));
}

static void add_lists(struct json_w *w, const struct sandbox_run *rq)
{
    json_w_array(w, "argv");
    for (size_t i = 0; i < rq->argv_count; i++)
        add_text(w, NULL, rq->argv[i]);
    json_w_close_array(w);
    json_w_array(w, "files");
    for (size_t i = 0; i < rq->file_count; i++) {
        json_w_array(w, NULL);
        add_text(w, NULL, rq->files[i].name);
        json_w_int(w, NULL, rq->files[i].mode);
        json_w_base64(w, NULL, rq->files[i].ptr, rq->files[i].len);
        json_w_close_array(w);
    }
    json_w_close_array(w);
    json_w_array(w, "exists");
    for (size_t i = 0; i < rq->exists_count; i++)
        add_text(w, NULL, rq->exists[i]);
    json_w_close_array(w);
}

int claude_program_write(const struct sandbox_run *rq, const struct claude_terms *t,
                         struct buf *payload, struct err *e)
{
    struct json_w w;
    if (check(rq, e) < 0)
        return -1;
    json_w_init(&w, payload);
    json_w_object(&w, NULL);
    json_w_str(&w, "token", t->token);
    json_w_str(&w, "language", rq->language);
    json_w_str(&w, "interpreter", rq->interpreter);
    json_w_base64(&w, "code", rq->code, rq->code_len);
    add_text(&w, "cwd", rq->cwd);
    json_w_base64(&w, "input", rq->input, rq->input_len);
    json_w_base64(&w, "check", rq->check_code, rq->check_code_len);
    add_lists(&w, rq);
    json_w_int(&w, "timeout", t->timeout_s);
    json_w_int(&w, "out", CLAUDE_OUT_MAX);
    json_w_int(&w, "err", CLAUDE_ERR_MAX);
    if (t->form == CLAUDE_CELL)
        json_w_str(&w, "life", t->life);
    json_w_close_object(&w);
    return json_w_end(&w) < 0 ? err_set(e, ERR_LIMIT, "the run is too large to be carried") : 0;
}

/* ---- the command */

static int add_proof(struct buf *out, const void *p, size_t len, const char *path)
{
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_once(p, len, hash);
    hex_encode(hash, sizeof hash, hex);
    return buf_addf(out, "echo '%s  %s' | sha256sum -c --status && ", hex, path);
}

int claude_command_write(const char *payload, size_t len, const char *runner, const char *path,
                         struct buf *command)
{
    const struct share_file *f = claude_runner(CLAUDE_SHELL);
    int rc = 0;
    INVARIANT(path == NULL || runner != NULL);
    if (runner == NULL) {
        rc = buf_add_str(command, "python3 - <<'AIRLOCK'\nP = ");
        rc = rc < 0 || buf_add(command, payload, len) < 0 || buf_add_char(command, '\n') < 0 ||
                     buf_add(command, f->ptr, f->len) < 0
                 ? -1
                 : buf_add_str(command, "AIRLOCK");
        return rc;
    }
    rc = add_proof(command, f->ptr, f->len, runner);
    if (rc == 0 && path != NULL)
        rc = add_proof(command, payload, len, path);
    if (rc == 0)
        rc = buf_addf(command, "python3 %s", runner);
    if (rc == 0 && path != NULL)
        return buf_addf(command, " %s", path);
    if (rc < 0 || buf_add_str(command, " <<'AIRLOCK'\n") < 0 || buf_add(command, payload, len) < 0)
        return -1;
    return buf_add_str(command, "\nAIRLOCK");
}

int claude_cell_write(const char *payload, size_t len, struct buf *cell)
{
    const struct share_file *f = claude_runner(CLAUDE_CELL);
    return buf_add_str(cell, "P = ") < 0 || buf_add(cell, payload, len) < 0 ||
                   buf_add_char(cell, '\n') < 0
               ? -1
               : buf_add(cell, f->ptr, f->len);
}
