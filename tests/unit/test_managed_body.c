/* test_managed_body.c - what of a run leaves for claude-managed is read back before: each byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/managed_box.h"

/* ---- read back before it leaves */

static struct managed_run *mirror;
static unsigned compared;

static bool is_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static int on_mirror(void *arg, const struct sandbox_run *rq, struct err *e)
{
    (void)arg;
    const struct sandbox_run *own = &mirror->d.rq;
    compared++;
    if (is_same(rq->code, rq->code_len, own->code, own->code_len) && rq->run == own->run &&
        strcmp(rq->language, own->language) == 0 && strcmp(rq->cwd, own->cwd) == 0)
        return 0;
    return err_set(e, ERR_INTEGRITY, "another run");
}

static int check_again(struct managed *s, struct buf *b, size_t at, char flip)
{
    struct err e = ERR_INIT;
    b->ptr[at] ^= flip;
    int rc = managed_body_check(s, mirror, &e);
    b->ptr[at] ^= flip;
    return rc;
}

/* In the command, and in the files of a new session: each byte that differs, each byte that is
 * missing, is refused. (The head of an upload is the server's to read; its boundary is not.) */
static void each_byte_that_differs_is_seen(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    for (int mounted = 0; mounted < 2; mounted++) {
        struct managed s = { .link = mounted ? LINK_NONE : LINK_LIVE,
                             .contract = { .timeout_s = 300 },
                             .core = { .check_body = on_mirror } };
        struct sandbox_run rq = { .run = 3,
                                  .language = "python",
                                  .interpreter = "python3",
                                  .code = "print(1)",
                                  .code_len = 8,
                                  .cwd = "/workspace",
                                  .input = "",
                                  .check_code = "" };
        mirror = managed_run_new(&rq, 300, &e);
        assert_non_null(mirror);
        assert_int_equal(managed_body_write(&s, mirror), 0);
        assert_int_equal(mirror->mounted, mounted);
        assert_int_equal(managed_body_check(&s, mirror, &e), 0);
        assert_int_equal(compared > 0, 1);
        struct buf *bodies[] = { &mirror->message, &mirror->uploads[0], &mirror->uploads[1] };
        for (size_t b = 0; b < (mounted ? 3 : 1); b++) {
            const char *head = b > 0 ? strstr(bodies[b]->ptr, "\r\n\r\n") + 4 : bodies[b]->ptr;
            size_t from = (size_t)(head - bodies[b]->ptr), step = b == 1 ? 97 : 1;
            unsigned passes = 0;
            for (size_t at = from; at < bodies[b]->len; at += step)
                passes += check_again(&s, bodies[b], at, 1) == 0;
            if (passes > 0)
                fail_msg("mounted %d, body %zu: %u changes pass", mounted, b, passes);
            size_t whole = bodies[b]->len;
            for (size_t len = 0; len < whole; len += step) {
                bodies[b]->len = len;
                assert_int_equal(managed_body_check(&s, mirror, &e), -1);
                err_clear(&e);
            }
            bodies[b]->len = whole;
        }
        if (mounted) { /* a boundary that is not said */
            char was = mirror->upload_types[1][25];
            mirror->upload_types[1][25] = 'X';
            assert_int_equal(managed_body_check(&s, mirror, &e), -1);
            assert_int_equal(e.code, ERR_INTEGRITY);
            mirror->upload_types[1][25] = was;
        }
        s.contract.timeout_s = 299;
        err_clear(&e);
        assert_int_equal(managed_body_check(&s, mirror, &e), -1);
        assert_non_null(strstr(e.msg, "timeout"));
        managed_run_free(mirror);
    }
    managed_run_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_that_differs_is_seen),
    };
    return cmocka_run_group_tests_name("managed body", tests, NULL, NULL);
}
