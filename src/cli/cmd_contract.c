/* cmd_contract.c - the whole contract, field by field: what it says, and whether it is kept. */
#include <stdio.h>
#include <string.h>

#include "cli/app.h"
#include "cli/commands.h"
#include "cli/pastgate.h"
#include "cli/saved.h"
#include "cli/session.h"
#include "tool/contract.h"
#include "ui/text.h"

#define TEXT_BYTES ((size_t)256 << 10)

struct subject {
    const char *sandbox, *isolation, *when; /* "holds now", "as recorded in …" */
    const struct contract *contract;
    const struct contract_enforcement *en;
};

struct fields {
    struct json_w *w;
    const struct contract_enforcement *en;
};

static void add_json_field(void *arg, const char *key, const char *value)
{
    struct fields *f = arg;
    enum contract_field field = contract_field_of_key(key);
    json_w_object(f->w, NULL);
    json_w_str(f->w, "key", key);
    json_w_strn(f->w, "value", value, strlen(value));
    json_w_str(f->w, "how",
               field == FIELD_COUNT ? "kept by airlock"
                                    : enforcement_name(f->en->field[field].how));
    json_w_str(f->w, "why",
               field == FIELD_COUNT ? contract_kept_by_us(key) : f->en->field[field].why);
    json_w_close_object(f->w);
}

static void print_json(const struct subject *s, const char *digest, const char *refused)
{
    struct buf out = BUF_INIT(TEXT_BYTES);
    struct json_w w;
    struct fields f = { .w = &w, .en = s->en };
    json_w_init(&w, &out);
    json_w_object(&w, NULL);
    json_w_str(&w, "sandbox", s->sandbox);
    json_w_str(&w, "isolation", s->isolation);
    json_w_str(&w, "contract_digest", digest);
    json_w_bool(&w, "strict", s->contract->strict);
    json_w_strn(&w, "refused", refused, strlen(refused));
    json_w_array(&w, "fields");
    contract_each_setting(s->contract, add_json_field, &f);
    json_w_close_array(&w);
    json_w_close_object(&w);
    if (json_w_end(&w) == 0)
        puts(buf_str(&out));
    buf_release(&out);
}

static void print_text(const struct subject *s, const char *digest)
{
    struct buf text = BUF_INIT(TEXT_BYTES), out = BUF_INIT(4 * TEXT_BYTES);
    (void)buf_addf(&text, "# airlock.contract: what the sandbox must keep (%s)\n", s->when);
    (void)buf_addf(&text, "# sandbox %s%s%s\n", s->sandbox, s->isolation[0] != '\0' ? ", " : "",
                   s->isolation);
    (void)buf_addf(&text, "# digest %s\n", digest);
    contract_print(s->contract, s->en, &text);
    for (const char *p = buf_str(&text); *p != '\0';) { /* paths are a person's, or a record's */
        size_t n = strcspn(p, "\n");
        (void)text_clean(&out, p, n, TEXT_PROSE, false, false);
        (void)buf_add_char(&out, '\n');
        p += n + (p[n] == '\n');
    }
    fputs(buf_str(&out), stdout);
    buf_release(&text);
    buf_release(&out);
}

static void print(const struct app *app, const struct subject *s, const char *refused)
{
    uint8_t digest[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    contract_digest(s->contract, digest);
    hex_encode(digest, sizeof digest, hex);
    if (app->opt.json)
        print_json(s, hex, refused);
    else
        print_text(s, hex);
}

static int print_recorded(struct app *app, const char *id)
{
    struct err e = ERR_INIT;
    struct saved saved;
    struct contract c;
    struct contract_enforcement en;
    if (saved_open(&saved, app, id, &e) < 0)
        return app_fail(&e);
    int rc = past_gate_contract(&saved.state, &c, &en, &e);
    const struct subject s = { .sandbox = saved.state.sandbox,
                               .isolation = saved.state.gate.isolation,
                               .when = "as recorded",
                               .contract = &c,
                               .en = &en };
    if (rc == 0)
        print(app, &s, "");
    contract_release(&c);
    saved_close(&saved);
    return rc < 0 ? app_fail(&e) : EXIT_OK;
}

int cmd_contract(struct app *app)
{
    struct err e = ERR_INIT;
    struct contract_enforcement en;
    if (app->opt.arg_count > 1) {
        err_set(&e, ERR_USAGE, "contract takes one ID, or nothing: the configuration's and -c");
        return app_fail(&e);
    }
    if (app->opt.arg_count > 0)
        return print_recorded(app, app->opt.args[0]);
    const struct sandbox_ops *ops = app_sandbox(app, NULL, &e);
    if (ops == NULL)
        return app_fail(&e);
    const struct sandbox_host host = { .launcher = app->launcher,
                                       .setting = app_setting,
                                       .setting_arg = app };
    (void)!ops->available(&host, &e); /* what a control group can do is known after that */
    ops->enforcement(&app->contract, &en);
    contract_note_introspection(&app->contract, ops);
    const struct subject s = { .sandbox = ops->name,
                               .isolation = ops->isolation,
                               .when = "from the configuration and -c",
                               .contract = &app->contract,
                               .en = &en };
    int rc = contract_check_strict(s.contract, s.en, &e);
    print(app, &s, rc < 0 ? e.msg : "");
    if (rc == 0)
        return EXIT_OK;
    fflush(stdout);
    return app_fail(&e);
}
