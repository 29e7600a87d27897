/* test_e2b_place.c - where E2B is, by the vendor's variables; whom its answers may name; what its
 * refusals mean; and its debug mode, a sandbox on this machine that nobody makes or ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/e2b_machine.h"

#define KEY "e2b_0123456789012345678901234567890123456789"

struct vars {
    const char *key, *domain, *api, *sandbox, *debug;
};

static const char *var(void *arg, const char *name)
{
    const struct vars *v = arg;
    if (strcmp(name, "E2B_API_KEY") == 0)
        return v->key;
    if (strcmp(name, "E2B_DOMAIN") == 0)
        return v->domain;
    if (strcmp(name, "E2B_API_URL") == 0)
        return v->api;
    if (strcmp(name, "E2B_SANDBOX_URL") == 0)
        return v->sandbox;
    return strcmp(name, "E2B_DEBUG") == 0 ? v->debug : NULL;
}

static void places(void **state)
{
    static const struct {
        struct vars v;
        const char *api;  /* NULL: refused */
        const char *port; /* of port 49999 */
        const char *says;
    } rows[] = {
        { { .key = KEY }, "https://api.e2b.app", "https://49999-i1.e2b.app", "" },
        { { .key = KEY, .domain = "e.example" },
          "https://api.e.example",
          "https://49999-i1.e.example",
          "" },
        { { .key = KEY, .domain = "" }, "https://api.e2b.app", "https://49999-i1.e2b.app", "" },
        { { .key = KEY, .api = "https://a.example", .sandbox = "https://s.example" },
          "https://a.example",
          "https://s.example",
          "" },
        { { .debug = "TRUE" }, "http://localhost:3000", "http://localhost:49999", "" },
        { { .debug = "1" }, NULL, NULL, "no key for E2B; fix: export E2B_API_KEY" },
        { { .key = "" }, NULL, NULL, "no key for E2B" },
        { { .key = KEY, .domain = ".e" }, NULL, NULL, "E2B_DOMAIN is no domain" },
        { { .key = KEY, .domain = "-e" }, NULL, NULL, "E2B_DOMAIN is no domain" },
        { { .key = KEY, .domain = "e/x" }, NULL, NULL, "E2B_DOMAIN is no domain" },
        { { .key = KEY, .api = "ftp://x" }, NULL, NULL, "E2B_API_URL" },
        { { .key = KEY, .sandbox = "http://far.example" }, NULL, NULL, "E2B_SANDBOX_URL" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct vars v = rows[i].v;
        const struct e2b_address at = { "i1", NULL, "token-0123456789", "traffic-0123456789" };
        struct e2b_place p;
        struct net_origin *o;
        struct err e = ERR_INIT;
        int rc = e2b_place_read(&p, var, &v, &e);
        if ((rc == 0) != (rows[i].api != NULL) || strstr(e.msg, rows[i].says) == NULL)
            fail_msg("row %zu: %d %s", i, rc, e.msg);
        if (rc < 0)
            continue;
        assert_int_equal(e2b_place_api(&p, var, &v, &o, &e), 0);
        assert_string_equal(net_origin_text(o), rows[i].api);
        net_origin_free(o);
        for (int port = E2B_PORT_CODE;; port = E2B_PORT_ENVD) {
            assert_int_equal(e2b_place_port(&p, &at, port, &o, &e), 0);
            if (port == E2B_PORT_CODE)
                assert_string_equal(net_origin_text(o), rows[i].port);
            assert_true(net_origin_has_secret(o, "X-Access-Token"));
            assert_int_equal(net_origin_has_secret(o, "E2B-Traffic-Access-Token"),
                             port == E2B_PORT_CODE);
            net_origin_free(o);
            if (port == E2B_PORT_ENVD)
                break;
        }
        e2b_place_release(&p);
    }
    struct e2b_place p;
    struct err e = ERR_INIT;
    assert_int_equal(e2b_place_read(&p, NULL, NULL, &e), -1); /* nothing is set */
}

/* Names out of answers end up in addresses, and tokens go there. */
static void answers_name_no_other_place(void **state)
{
    static const struct e2b_address rows[] = {
        { "i1", "e2b.app/x", NULL, NULL },
        { "i1", "e2b.app:1", NULL, NULL },
        { "i1", ".app", NULL, NULL },
        { "a.b", NULL, NULL, NULL },
        { "", NULL, NULL, NULL },
        { "i1@x", NULL, NULL, NULL },
        { "i1", NULL, "a\r\nb: 1234567", NULL },
        { "i1", NULL, "", "short" },
    };
    struct vars v = { .key = KEY };
    struct e2b_place p;
    struct net_origin *o;
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(e2b_place_read(&p, var, &v, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (e2b_place_port(&p, &rows[i], E2B_PORT_CODE, &o, &e) == 0)
            fail_msg("row %zu: %s", i, net_origin_text(o));
    const struct e2b_address bare = { "i1", NULL, NULL, "" };
    assert_int_equal(e2b_place_port(&p, &bare, E2B_PORT_CODE, &o, &e), 0);
    assert_false(net_origin_has_secret(o, "X-Access-Token"));
    net_origin_free(o);
    v.key = "short";
    assert_int_equal(e2b_place_api(&p, var, &v, &o, &e), -1);
    assert_non_null(strstr(e.msg, "E2B_API_KEY"));
    e2b_place_release(&p);
}

static void refusals_say_what_to_do(void **state)
{
    static const struct {
        int status;
        const char *body, *says;
        enum err_code code;
    } rows[] = {
        { 401, "", "is the key in E2B_API_KEY right?", ERR_DENIED },
        { 403, "{\"message\":\"blocked\"}", ": blocked; the team may not do this", ERR_DENIED },
        { 404, "plain\x1b[31m words\n", ": plain [31m words ; is the name after e2b:", ERR_NET },
        { 404, "<html>", "the server answered 404; is the name", ERR_NET },
        { 409, "{}", "another state", ERR_NET },
        { 429, "{}", "too many requests", ERR_NET },
        { 429, "{\"message\":\"the maximum number of sandboxes\"}", "end others first", ERR_LIMIT },
        { 502, "{\"message\":\"sandbox was not found\"}", "expired, was killed or is paused",
          ERR_NET },
        { 502, "{\"message\":\"port is not open\"}", "is the template one with the code interp",
          ERR_NET },
        { 503, "{\"error_code\":\"sandbox_capacity_unavailable\"}", "E2B has no room", ERR_NET },
        { 503, "{\"error_code\":\"sandbox_placement_timeout\"}", "E2B has no room", ERR_NET },
        { 507, "", "disk is full", ERR_NET },
        { 500, "", "trouble at E2B", ERR_NET },
        { 418, "", "the server answered 418; request req-1", ERR_NET },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct e2b_refusal why;
        struct net_result r = { .end = NET_ANSWERED, .status = rows[i].status };
        struct err e = ERR_INIT;
        snprintf(r.request_id, sizeof r.request_id, "req-1");
        e2b_refusal_read(&why, r.status, rows[i].body, strlen(rows[i].body));
        assert_int_equal(e2b_explain(&e, "asking", &r, &why), rows[i].code);
        if (strstr(e.msg, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, e.msg);
    }
}

/* ---- debug mode: the sandbox is there already */

static const char *debug_setting(void *arg, const char *name)
{
    return strcmp(name, "E2B_DEBUG") == 0 ? "true" : setting(arg, name);
}

static void debug_mode_makes_and_ends_nothing(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    for (int how = 0; how < 3; how++) {
        set_up();
        struct sandbox_config cfg = config();
        cfg.setting = debug_setting;
        open_with(&cfg);
        await(&told.ready, 1);
        start_code("python", "x");
        await(&told.finished, 1);
        assert_int_equal(told.end, END_EXIT);
        turns(4);
        assert_int_equal(box->ops->pause(box, &e), -1);
        if (how == 0) {
            box->ops->kill(box, END_KILLED);
            await(&told.closed, 1);
            assert_true(told.confirmed);
        } else if (how == 1) {
            assert_true(box->ops->farewell(box));
        }
        assert_int_equal(server.creations, 0);
        tear_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(answers_name_no_other_place),
        cmocka_unit_test(refusals_say_what_to_do),
        cmocka_unit_test(debug_mode_makes_and_ends_nothing),
    };
    return cmocka_run_group_tests_name("e2b place", tests, NULL, NULL);
}
