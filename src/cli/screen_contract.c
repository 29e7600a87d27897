/* screen_contract.c - `:contract`: field by field what the sandbox must keep, whether it can, and
 * why not; or another value for the next session. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <string.h>

#include "cli/pastgate.h"
#include "cli/screen_replay.h"
#include "tool/contract.h"

#define TEXT_MAX ((size_t)256 << 10)

static void add_line(struct screen *s, enum view_tone tone, const char *text)
{
    screen_page_add(s, tone, text, strlen(text), false);
}

struct fields {
    struct screen *s;
    const struct contract_enforcement *en;
};

static void add_setting(void *arg, const char *key, const char *value)
{
    const struct fields *f = arg;
    enum contract_field field = contract_field_of_key(key);
    bool ours = field == FIELD_COUNT;
    enum enforcement how = ours ? ENFORCED : f->en->field[field].how;
    const char *why = ours ? contract_kept_by_us(key) : f->en->field[field].why;
    struct buf line = BUF_INIT(TEXT_MAX);
    (void)buf_addf(&line, "%-11s  %-20s  %s%s%s", key, value[0] != '\0' ? value : "none",
                   ours ? "" : enforcement_name(how), !ours && why[0] != '\0' ? ": " : "", why);
    add_line(f->s,
             how == ENFORCED       ? TONE_PLAIN
             : how == APPROXIMATED ? TONE_WAIT
                                   : TONE_BAD,
             buf_str(&line));
    buf_release(&line);
}

static void show(struct screen *s, const struct contract *c, const struct contract_enforcement *en,
                 const char *sandbox, const char *isolation)
{
    uint8_t digest[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1], line[256];
    struct err refused = ERR_INIT;
    struct fields f = { .s = s, .en = en };
    contract_digest(c, digest);
    hex_encode(digest, sizeof digest, hex);
    screen_page_begin(s, PAGE_CONTRACT, 0, "Contract", "q back");
    snprintf(line, sizeof line, "sandbox %.80s%s%.120s", sandbox, isolation[0] != '\0' ? ", " : "",
             isolation);
    add_line(s, TONE_INFO, line);
    snprintf(line, sizeof line, "digest %s", hex);
    add_line(s, TONE_INFO, line);
    add_line(s, TONE_PLAIN, "");
    contract_each_setting(c, add_setting, &f);
    if (contract_check_strict(c, en, &refused) < 0) {
        add_line(s, TONE_PLAIN, "");
        add_line(s, TONE_BAD, refused.msg);
    }
    screen_page_show(s);
}

static void show_recorded(struct screen *s, struct err *e)
{
    const struct state *st = screen_state(s);
    struct contract c;
    struct contract_enforcement en;
    if (past_gate_contract(st, &c, &en, e) < 0)
        screen_fail(s, e);
    else
        show(s, &c, &en, st->sandbox, st->gate.isolation);
    contract_release(&c);
}

static void show_next(struct screen *s)
{
    struct contract_enforcement en;
    struct err e = ERR_INIT;
    const struct sandbox_ops *ops = app_sandbox(s->app, NULL, &e);
    if (ops == NULL) {
        screen_fail(s, &e);
        return;
    }
    ops->enforcement(&s->app->contract, &en);
    show(s, &s->app->contract, &en, ops->name, ops->isolation);
}

void screen_contract(struct screen *s, const char *args, struct err *e)
{
    if (s->film != NULL && args[0] != '\0') {
        film_refuse(s);
    } else if (args[0] != '\0') {
        if (app_add_contract(s->app, args, e) < 0)
            screen_fail(s, e);
        else
            screen_toast(s, TONE_INFO, "%s holds from the next session on (:new)", args);
    } else if (s->film != NULL) {
        show_recorded(s, e);
    } else if (s->session != NULL) {
        const struct state *st = screen_state(s);
        const struct sandbox_ops *ops =
            sandbox_choose(st->sandbox, st->image[0] != '\0' ? st->image : NULL, e);
        show(s, round_contract(screen_round(s)), round_enforcement(screen_round(s)),
             screen_state(s)->sandbox, ops != NULL ? ops->isolation : "");
    } else {
        show_next(s);
    }
}
