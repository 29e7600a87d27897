/* test_e2b_check.c - what of a run leaves for e2b is read back before: each byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/e2b_machine.h"

/* ---- read back */

static void what_was_not_approved_never_leaves(void **state)
{
    static const char *const languages[] = { "python", "bash", "javascript" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
        set_up();
        open_box();
        refuse_body = true;
        start_code(languages[i], "x");
        await(&told.finished, 1);
        assert_int_equal(told.end, END_INTEGRITY);
        assert_non_null(strstr(told.message, "not what was approved"));
        assert_int_equal(server.executed + server.processes, 0);
        tear_down();
    }
}

static struct {
    struct e2b s;
    struct e2b_run *r;
    unsigned asked;
} mirror;

static bool is_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static int on_mirror(void *arg, const struct sandbox_run *rq, struct err *e)
{
    (void)arg, (void)e;
    mirror.asked++;
    const struct sandbox_run *own = &mirror.r->rq;
    bool same = is_same(rq->code, rq->code_len, own->code, own->code_len) &&
                is_same(rq->input, rq->input_len, own->input, own->input_len) &&
                is_same(rq->check_code, rq->check_code_len, own->check_code, own->check_code_len) &&
                strcmp(rq->cwd, own->cwd) == 0 && rq->argv_count == own->argv_count &&
                rq->file_count == own->file_count;
    for (size_t i = 0; same && i < own->argv_count; i++)
        same = strcmp(rq->argv[i], own->argv[i]) == 0;
    for (size_t i = 0; same && i < own->file_count; i++)
        same = strcmp(rq->files[i].name, own->files[i].name) == 0 &&
               rq->files[i].mode == own->files[i].mode;
    return same ? 0 : err_set(e, ERR_INTEGRITY, "another run");
}

/* A run with all there is, made ready by the sandbox itself and caught before it leaves. */
static void catch_run(const char *language)
{
    static const char *const argv[] = { "p", "x" };
    char name[] = "d/f", bytes[] = "b";
    struct sandbox_file f = { .name = name, .mode = 0600, .ptr = bytes, .len = 1 };
    struct e2b *s;
    set_up();
    open_box();
    await(&told.ready, 1);
    server.hold = "POST /files?";
    struct sandbox_run rq = request(language, "print(1)");
    rq.argv = argv;
    rq.argv_count = 2;
    rq.input = "in";
    rq.input_len = 2;
    rq.files = &f;
    rq.file_count = 1;
    rq.check_code = "assert a";
    rq.check_code_len = 8;
    start(&rq);
    await_held();
    s = (struct e2b *)box;
    mirror.r = s->run;
    assert_non_null(mirror.r);
    s->core.check_body = on_mirror;
}

static int check_it(struct err *e)
{
    err_clear(e);
    return e2b_check_parts((struct e2b *)box, mirror.r, e);
}

/* Each byte of each part, one after the other, changed in two ways, and each part cut at each byte.
 */
static void each_byte_that_differs_is_seen(void **state)
{
    static const char *const languages[] = { "python", "bash" };
    struct err e = ERR_INIT;
    (void)state;
    for (size_t l = 0; l < 2; l++) {
        catch_run(languages[l]);
        struct e2b_run *r = mirror.r;
        struct e2b_part *parts[] = { &r->code, &r->begin, &r->check };
        if (check_it(&e) < 0)
            fail_msg("%s", e.msg);
        unsigned refused = 0, all = 0;
        for (size_t p = 0; p < 3; p++)
            for (size_t at = 0; at < parts[p]->len; at++)
                for (int flip = 1; flip <= 16; flip *= 16) {
                    parts[p]->body[at] ^= (char)flip;
                    refused += check_it(&e) < 0;
                    parts[p]->body[at] ^= (char)flip;
                    all++;
                }
        for (size_t p = 0; p < 3; p++)
            for (size_t len = 0; len < parts[p]->len; len++) { /* cut at each byte */
                size_t whole = parts[p]->len;
                parts[p]->len = len;
                assert_int_equal(check_it(&e), -1);
                parts[p]->len = whole;
            }
        if (refused != all)
            fail_msg("%s: %u changes of %u pass", languages[l], all - refused, all);
        assert_int_equal(check_it(&e), 0);
        server.hold = NULL;
        tear_down();
    }
}

static void parts_of_another_shape_are_refused(void **state)
{
    static const struct {
        const char *body;
        bool process;
    } rows[] = {
        { "{}", false },
        { "{\"code\":\"print(1)\"}", false },
        { "{\"code\":\"print(1)\",\"context_id\":\"c1\"}", false },
        { "{\"code\":1,\"context_id\":\"c0\"}", false },
        { "{\"code\":\"print(1)\",\"context_id\":\"c0\",\"x\":1}", false },
        { "{}", true },
        { "{\"process\":{\"cmd\":\"/bin/sh\",\"args\":[\"-x\",\"print(1)\"]}}", true },
        { "{\"process\":{\"cmd\":\"/bin/bash\",\"args\":[\"-c\",1]}}", true },
        { "{\"process\":{\"cmd\":\"/bin/bash\",\"args\":[]}}", true },
    };
    struct err e = ERR_INIT;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        catch_run(rows[i].process ? "bash" : "python");
        struct e2b_part *p = &mirror.r->code;
        char *body = p->body;
        size_t len = p->len;
        p->body = xstrdup(rows[i].body);
        p->len = strlen(rows[i].body);
        if (check_it(&e) == 0)
            fail_msg("row %zu passes", i);
        free(p->body);
        p->body = body;
        p->len = len;
        static const char *const targets[] = { "/files", "/files?path=/etc/passwd",
                                               "/files?path=%2Fworkspace%2",
                                               "/files?path=%2Fworkspace%2Fe" };
        char *target = mirror.r->files[0].target;
        for (size_t k = 0; k < ARRAY_LEN(targets); k++) {
            mirror.r->files[0].target = xstrdup(targets[k]);
            int rc = check_it(&e);
            free(mirror.r->files[0].target);
            if (rc == 0 && k != 3)
                fail_msg("%s passes", targets[k]);
        }
        mirror.r->files[0].target = target;
        assert_int_equal(check_it(&e), 0);
        server.hold = NULL;
        tear_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_approved_never_leaves),
        cmocka_unit_test(each_byte_that_differs_is_seen),
        cmocka_unit_test(parts_of_another_shape_are_refused),
    };
    return cmocka_run_group_tests_name("e2b check", tests, NULL, NULL);
}
