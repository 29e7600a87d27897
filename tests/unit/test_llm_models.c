/* test_llm_models.c - the models a server has: listed page by page, with what the book of prices
 * knows; and answers that are no list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/redact.h"
#include "providers/registry.h"
#include "unit/fake_net.h"

#define KEY "test-key-0123456789"

static struct {
    const char *bodies[4];
    int status;
    enum net_end end;
    bool endless;
    size_t at;
} server;

static struct {
    unsigned done;
    size_t count;
    struct err e;
    char first[64], title[64];
    int64_t context, output, price;
} heard;

static void respond(struct fake_call *c)
{
    if (server.end != NET_ANSWERED)
        fake_end(c, server.end, true);
    else if (server.endless)
        fake_reply(c, 200, NULL, "{\"data\":[{\"id\":\"m\"}],\"has_more\":true,\"last_id\":\"m\"}");
    else
        fake_reply(c, server.status, NULL, server.bodies[server.at]);
    server.at++;
}

static void on_models(void *arg, const struct planner_model *models, size_t count,
                      const struct err *e)
{
    (void)arg;
    heard.done++;
    heard.count = count;
    if (e != NULL)
        heard.e = *e;
    if (count == 0)
        return;
    snprintf(heard.first, sizeof heard.first, "%s", models[0].id);
    snprintf(heard.title, sizeof heard.title, "%s", models[0].title);
    heard.context = models[0].context_tokens;
    heard.output = models[0].output_tokens;
    heard.price = models[0].input_nanousd_per_token;
}

static const char *prices;

static const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "ANTHROPIC_API_KEY") == 0 || strcmp(name, "OPENAI_API_KEY") == 0)
        return KEY;
    if (strcmp(name, "ANTHROPIC_BASE_URL") == 0 || strcmp(name, "OPENAI_BASE_URL") == 0)
        return "http://127.0.0.1:9";
    return strcmp(name, "anthropic.prices") == 0 ? prices : NULL;
}

static int list(const struct planner_ops *ops, const struct redact *redact, struct err *e)
{
    struct loop *lp;
    memset(&heard, 0, sizeof heard);
    fake.respond = respond;
    assert_int_equal(loop_new(&lp, e), 0);
    struct net *net = net_new(lp);
    struct planner_config cfg = { .loop = lp, .net = net, .setting = setting, .redact = redact };
    int rc = ops->list_models(&cfg, on_models, NULL, e);
    for (unsigned i = 0; rc == 0 && i < 6000 && heard.done == 0; i++)
        assert_int_equal(loop_turn(lp, 10, e), 0);
    net_free(net);
    loop_free(lp);
    return rc;
}

static void lists_of_models(void **state)
{
    static char large[200] = "{\"data\":[{\"id\":\"";
    static const struct {
        int status;
        enum net_end end;
        const char *bodies[3];
        size_t count;
        const char *says; /* NULL: well */
    } rows[] = {
        { 200, 0, { "{\"data\":[]}" }, 0, NULL },
        { 200, 0, { "{\"data\":[{\"id\":\"\"},{\"x\":1},7]}" }, 0, NULL },
        { 200, 0, { large }, 0, NULL },
        { 200,
          0,
          { "{\"data\":[{\"id\":\"a\"}],\"has_more\":true,\"last_id\":\"a\"}",
            "{\"data\":[{\"id\":\"b\"}],\"has_more\":true,\"last_id\":\"\"}" },
          2,
          NULL },
        { 200, 0, { "{\"data\":[{\"id\":\"a\"}],\"has_more\":false,\"last_id\":\"a\"}" }, 1, NULL },
        { 200, 0, { "{" }, 0, "the list of models is no JSON" },
        { 200, 0, { "{}" }, 0, "there is no list of models" },
        { 200, 0, { "{\"data\":{}}" }, 0, "there is no list of models" },
        { 401, 0, { "" }, 0, "the server answered 401" },
        { 403,
          0,
          { "{\"error\":{\"type\":\"permission_error\",\"message\":\"no\"}}" },
          0,
          "answered 403 permission_error: no" },
        { 500, 0, { "<html>" }, 0, "the server answered 500" },
        { 0, NET_CUT, { NULL }, 0, "the test's server" },
    };
    const struct planner_ops *const kinds[] = { &planner_anthropic, &planner_openai };
    (void)state;
    memset(large + strlen(large), 'm', 130);
    memcpy(large + 16 + 130, "\"}]}", 5);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            struct err e = ERR_INIT;
            memset(&server, 0, sizeof server);
            memcpy(server.bodies, rows[i].bodies, sizeof rows[i].bodies);
            server.status = rows[i].status;
            server.end = rows[i].end;
            assert_int_equal(list(kinds[k], NULL, &e), 0);
            if (heard.done != 1 || heard.count != rows[i].count ||
                (rows[i].says == NULL) != (heard.e.code == ERR_NONE) ||
                (rows[i].says != NULL && strstr(heard.e.msg, rows[i].says) == NULL))
                fail_msg("row %zu: done %u, %zu models: %s", i, heard.done, heard.count,
                         heard.e.msg);
            fake_reset();
        }
}

static void sizes_are_the_servers_then_the_books(void **state)
{
    static const struct {
        const char *body;
        int64_t context, output;
        const char *title;
    } rows[] = {
        { "{\"id\":\"x\"}", -1, -1, "x" },
        { "{\"id\":\"x\",\"display_name\":\"X\\u001b[1m y\"}", -1, -1, NULL },
        { "{\"id\":\"x\",\"max_input_tokens\":9,\"max_tokens\":8}", 9, 8, "x" },
        { "{\"id\":\"x\",\"context_length\":7,\"max_output_tokens\":6}", 7, 6, "x" },
        { "{\"id\":\"x\",\"max_model_len\":5}", 5, -1, "x" },
        { "{\"id\":\"x\",\"meta\":{\"n_ctx_train\":4}}", 4, -1, "x" },
        { "{\"id\":\"x\",\"max_input_tokens\":0,\"meta\":{\"n_ctx\":3,\"n_ctx_train\":4}}", 3, -1,
          "x" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        char body[256];
        snprintf(body, sizeof body, "{\"data\":[%s]}", rows[i].body);
        memset(&server, 0, sizeof server);
        server.bodies[0] = body;
        server.status = 200;
        assert_int_equal(list(&planner_openai, NULL, &e), 0);
        if (heard.context != rows[i].context || heard.output != rows[i].output)
            fail_msg("row %zu: %lld and %lld", i, (long long)heard.context,
                     (long long)heard.output);
        if (rows[i].title != NULL)
            assert_string_equal(heard.title, rows[i].title);
        assert_null(strchr(heard.title, '\x1b'));
        fake_reset();
    }
    struct err e = ERR_INIT;
    memset(&server, 0, sizeof server);
    server.bodies[0] = "{\"data\":[{\"id\":\"claude-opus-5-5\"}]}";
    server.status = 200;
    prices = "/none/there.json"; /* a book of one's own that is not there: the one that ships */
    assert_int_equal(list(&planner_anthropic, NULL, &e), 0);
    assert_int_equal(heard.price, 4000);
    prices = NULL;
    fake_reset();
}

static void a_list_without_an_end_is_left(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    memset(&server, 0, sizeof server);
    server.endless = true;
    assert_int_equal(list(&planner_anthropic, NULL, &e), 0);
    assert_int_equal(heard.done, 1);
    assert_int_equal(heard.e.code, ERR_LIMIT);
    assert_non_null(strstr(heard.e.msg, "has no end"));
    assert_true(server.at < 1000);
    fake_reset();
}

static void a_key_that_comes_back_is_not_shown(void **state)
{
    struct redact *redact = redact_new();
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(redact_add(redact, "KEY", KEY, strlen(KEY), &e), 0);
    memset(&server, 0, sizeof server);
    server.bodies[0] = "{\"error\":{\"type\":\"x\",\"message\":\"bad " KEY "\"}}";
    server.status = 500;
    assert_int_equal(list(&planner_anthropic, redact, &e), 0);
    assert_non_null(strstr(heard.e.msg, "bad "));
    assert_null(strstr(heard.e.msg, KEY));
    redact_free(redact);
    fake_reset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_models),
        cmocka_unit_test(sizes_are_the_servers_then_the_books),
        cmocka_unit_test(a_list_without_an_end_is_left),
        cmocka_unit_test(a_key_that_comes_back_is_not_shown),
    };
    return cmocka_run_group_tests_name("llm models", tests, NULL, NULL);
}
