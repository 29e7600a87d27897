/* doctor_probes.c - probes run and their evidence printed. */
#include "cli/doctor.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "tool/probe.h"
#include "ui/text.h"

struct told {
    const struct app *app;
    const char *kind;  /* NULL: of an image, which is another sandbox each time */
    unsigned count[3]; /* by enum probe_outcome */
};

static void print_json(const struct probe_report *r)
{
    struct buf out = BUF_INIT(1 << 20);
    struct json_w w;
    json_w_init(&w, &out);
    json_w_object(&w, NULL);
    json_w_str(&w, "probe", r->name);
    json_w_str(&w, "result", probe_outcome_name(r->outcome));
    json_w_str(&w, "question", r->question);
    json_w_strn(&w, "why", r->why, strlen(r->why));
    json_w_int(&w, "took_ms", r->took_us / 1000);
    json_w_array(&w, "rows");
    for (size_t i = 0; i < r->row_count; i++) {
        const struct probe_row *row = &r->rows[i];
        json_w_object(&w, NULL);
        json_w_strn(&w, "what", row->what, strlen(row->what));
        json_w_strn(&w, "inside", row->inside, strlen(row->inside));
        json_w_strn(&w, "host", row->host, strlen(row->host));
        json_w_str(&w, "result", probe_outcome_name(row->outcome));
        json_w_close_object(&w);
    }
    json_w_close_array(&w);
    json_w_close_object(&w);
    if (json_w_end(&w) == 0)
        puts(buf_str(&out));
    buf_release(&out);
}

static void print_row(const struct probe_row *row)
{
    struct buf out = BUF_INIT(64 << 10);
    (void)buf_addf(&out, "          %-8s ", probe_outcome_name(row->outcome));
    (void)text_clean(&out, row->what, strlen(row->what), TEXT_PROSE, false, false);
    if (row->inside[0] != '\0') {
        (void)buf_add_str(&out, ": ");
        (void)text_clean(&out, row->inside, strlen(row->inside), TEXT_PROSE, false, false);
    }
    if (row->host[0] != '\0') {
        (void)buf_add_str(&out, " | ");
        (void)text_clean(&out, row->host, strlen(row->host), TEXT_PROSE, false, false);
    }
    puts(buf_str(&out));
    buf_release(&out);
}

static void on_report(void *arg, const struct probe_report *r)
{
    struct told *t = arg;
    t->count[r->outcome]++;
    if (strcmp(r->name, "timeout") == 0 && t->kind != NULL)
        doctor_remember(t->app, t->kind, r->outcome == PROBE_PASS);
    if (t->app->opt.json) {
        print_json(r);
        return;
    }
    printf("%-8s probe %-10s %s (%zu tried, %.1f s)\n", probe_outcome_name(r->outcome), r->name,
           r->question, r->row_count, (double)r->took_us / 1e6);
    for (size_t i = 0; i < r->row_count; i++) {
        if (t->app->opt.verbose || r->rows[i].outcome != PROBE_PASS)
            print_row(&r->rows[i]);
    }
    fflush(stdout); /* one takes seconds: the person watches */
}

int doctor_run_probes(struct app *app, const struct sandbox_ops *sandbox, const char *image)
{
    struct err e = ERR_INIT;
    struct told t = { .app = app, .kind = image == NULL ? sandbox->name : NULL };
    struct probe_config cfg = { .launcher = app->launcher,
                                .setting = app_setting,
                                .setting_arg = app,
                                .sandbox = sandbox,
                                .image = image,
                                .contract = &app->contract,
                                .report = on_report,
                                .arg = &t };
    bool needs_net = (sandbox->caps & SANDBOX_IS_REMOTE) != 0;
    if ((needs_net ? app_need_net(app, &e) : app_need_loop(app, &e)) < 0)
        return app_fail(&e);
    cfg.loop = app->loop;
    cfg.net = app->net;
    for (int i = 0; i < app->opt.arg_count || (i == 0 && app->opt.arg_count == 0); i++) {
        cfg.only = app->opt.arg_count > 0 ? app->opt.args[i] : NULL;
        if (probe_run(&cfg, &e) < 0)
            return app_fail(&e);
    }
    if (!app->opt.json)
        printf("%u passed, %u failed, %u unproved\n", t.count[PROBE_PASS], t.count[PROBE_FAIL],
               t.count[PROBE_UNPROVED]);
    return t.count[PROBE_FAIL] > 0 ? EXIT_WORK_FAILED : EXIT_OK;
}
