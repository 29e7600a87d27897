/* doctor_finding.c - what was looked at, what was found, and what mends it. */
#include <stdio.h>
#include <string.h>

#include "cli/doctor.h"
#include "ui/text.h"

static void print_json(const char *what, const char *result, const char *detail, const char *fix)
{
    struct buf out = BUF_INIT(16 << 10);
    struct json_w w;
    json_w_init(&w, &out);
    json_w_object(&w, NULL);
    json_w_str(&w, "check", what);
    json_w_str(&w, "result", result);
    json_w_strn(&w, "detail", detail, strlen(detail));
    if (fix[0] != '\0')
        json_w_strn(&w, "fix", fix, strlen(fix));
    json_w_close_object(&w);
    if (json_w_end(&w) == 0)
        puts(buf_str(&out));
    buf_release(&out);
}

bool doctor_check(const struct app *app, const char *what, bool needed, bool ok, const char *detail,
                  const char *fix)
{
    struct buf out = BUF_INIT(16 << 10);
    fix = ok ? "" : fix;
    if (app->opt.json) {
        print_json(what, ok ? "PASS" : needed ? "FAIL" : "MISSING", detail, fix);
        return ok || !needed;
    }
    (void)buf_addf(&out, "%-7s %-14s ", ok ? "ok" : needed ? "FAIL" : "missing", what);
    (void)text_clean(&out, detail, strlen(detail), TEXT_PROSE, false, false);
    if (fix[0] != '\0') {
        (void)buf_add_str(&out, "; fix: ");
        (void)text_clean(&out, fix, strlen(fix), TEXT_PROSE, false, false);
    }
    puts(buf_str(&out));
    buf_release(&out);
    return ok || !needed;
}
