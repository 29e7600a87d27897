/* test_search.c - searching all sessions: what is found, in which line, over all borders of chunks.
 */
#include "session_fixture.h"

#include "sessions/search.h"

static char *dir;

static int setup(void **state)
{
    int rc = fixture_setup_in_memory(state);
    dir = rc == 0 ? xasprintf("%s/sessions", fx.dir) : NULL;
    return rc;
}

static int teardown(void **state)
{
    free(dir);
    return fixture_teardown(state);
}

static int add_hit(void *arg, const struct search_hit *h)
{
    struct buf *b = arg;
    buf_addf(b, "%s:%u %s:%llu", h->session, h->run, search_place_name(h->where),
             (unsigned long long)h->line);
    if (h->more)
        buf_add_str(b, " more");
    else if (h->at >= h->len || memmem(h->text, h->len, h->text + h->at, 1) == NULL)
        buf_add_str(b, " BAD");
    return buf_add_char(b, '\n');
}

/* lent until the next call */
static const char *find(const char *text, const char *filter, size_t per_stream, size_t budget)
{
    static char out[1 << 16];
    struct err e = ERR_INIT;
    struct index *ix;
    struct search *s;
    struct buf b = BUF_INIT(sizeof out - 1);
    struct search_spec spec = { .text = text, .filter = filter, .per_stream = per_stream };
    assert_ok(index_open(&ix, fx.dir, &e));
    assert_ok(index_refresh(ix, &e));
    assert_ok(search_new(&s, ix, dir, &spec, add_hit, &b, &e));
    while (search_step(s, budget, &e) == 1)
        ;
    search_free(s);
    index_close(ix);
    snprintf(out, sizeof out, "%s", buf_str(&b));
    buf_release(&b);
    return out;
}

static struct store *make(const char *id)
{
    struct err e = ERR_INIT;
    struct store *s;
    assert_ok(store_create(&s, dir, id, &e));
    assert_ok(append_json(s, EVENT_SESSION_CREATED, 0, CREATED_JSON, &e));
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    return s;
}

static void test_texts_and_filters(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = make("aaa");
    assert_ok(append_json(s, EVENT_NOTE, 0,
                          "{\"text\":\"one\\ntwo words\\nwords\",\"author\":\"person\"}", &e));
    assert_ok(append_json(s, EVENT_SESSION_TAGGED, 0, "{\"tags\":[\"weekly\"]}", &e));
    store_close(s);
    store_close(make("bbb"));
    assert_string_equal(find("words", NULL, 0, 1 << 20),
                        "bbb:0 task:1\naaa:0 task:1\naaa:0 note:2\naaa:0 note:3\n");
    assert_string_equal(find("words", "tag:weekly", 0, 1),
                        "aaa:0 task:1\naaa:0 note:2\naaa:0 note:3\n");
    assert_string_equal(find("Words", NULL, 0, 1 << 20), "");
    /* what is added later is found, and once */
    char *path = xasprintf("%s/bbb.db", dir);
    assert_ok(store_open(&s, path, &e));
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    store_close(s);
    assert_string_equal(find("a note", NULL, 0, 1 << 20), "bbb:0 note:1\n");
    assert_string_equal(find("count", "tag:none", 0, 1 << 20), "");
    /* and what is gone is not */
    unlink(path);
    assert_string_equal(find("words", "~live", 0, 1 << 20), "");
    assert_string_equal(find("a note", NULL, 0, 1 << 20), "");
    free(path);
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* What a walk over the lines of the whole stream says. */
static void expect_lines(struct buf *out, const char *name, const char *p, size_t len,
                         const char *text)
{
    unsigned long line = 1;
    for (size_t at = 0; at < len; line++) {
        const char *lf = memchr(p + at, '\n', len - at);
        size_t n = lf != NULL ? (size_t)(lf - p) - at : len - at;
        if (memmem(p + at, n, text, strlen(text)) != NULL)
            buf_addf(out, "aaa:1 %s:%lu\n", name, line);
        at += n + 1;
    }
}

/* Random text of few letters, cut into random chunks: each line found once, under its number. */
static void test_every_border(void **state)
{
    (void)state;
    static const char *const words[] = { "a", "ab", "aab", "abaab", "bb\xc3\xa4" };
    uint32_t seed = 4711;
    for (int round = 0; round < 30; round++) {
        struct err e = ERR_INIT;
        char p[3000];
        size_t len = 200 + next(&seed) % (sizeof p - 200);
        for (size_t i = 0; i < len; i++)
            p[i] = "aaabbb\n\xc3\xa4"[next(&seed) % 8];
        struct store *s = make("aaa");
        for (size_t at = 0; at < len;) {
            size_t n = 1 + next(&seed) % (round % 3 == 0 ? 4 : 90);
            n = n < len - at ? n : len - at;
            assert_ok(append_output(s, 1, 1, p + at, n, &e));
            assert_ok(append_output(s, 1, 2, p + at, n, &e)); /* the streams take turns */
            at += n;
        }
        store_close(s);
        for (size_t w = 0; w < ARRAY_LEN(words); w++) {
            struct buf want = BUF_INIT(1 << 16), got = BUF_INIT(1 << 16);
            expect_lines(&want, "stdout", p, len, words[w]);
            const char *all = find(words[w], NULL, 0, 1 << 20);
            for (const char *line = all; *line != '\0'; line += strcspn(line, "\n") + 1) {
                if (strncmp(line, "aaa:1 stdout", 12) == 0)
                    buf_add(&got, line, strcspn(line, "\n") + 1);
            }
            assert_string_equal(buf_str(&got), buf_str(&want));
            assert_null(strstr(all, "BAD"));
            assert_int_equal(strlen(all), 2 * want.len); /* stderr the same */
            buf_release(&want);
            buf_release(&got);
        }
        char *path = xasprintf("%s/aaa.db", dir);
        unlink(path);
        free(path);
    }
}

static void test_a_flood_is_cut(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = make("aaa");
    for (int i = 0; i < 10; i++)
        assert_ok(append_output(s, 1, 1, "x\n", 2, &e));
    assert_ok(append_output(s, 2, 2, "no\nx", 4, &e));
    store_close(s);
    assert_string_equal(find("x", NULL, 2, 1),
                        "aaa:1 stdout:1\naaa:1 stdout:2\naaa:1 stdout:2 more\naaa:2 stderr:2\n");
}

/* Lines longer than anything that is kept: the hit lies deep in a chunk, or ends one. */
static void test_long_lines(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    static char p[60000];
    memset(p, 'x', sizeof p);
    struct store *s = make("aaa");
    memcpy(p + 50000, "needle", 6);
    assert_ok(append_output(s, 1, 1, "begin ", 6, &e));
    assert_ok(append_output(s, 1, 1, p, sizeof p, &e));
    memset(p + 50000, 'x', 6);
    memcpy(p + sizeof p - 3, "nee", 3);
    assert_ok(append_output(s, 1, 2, p, sizeof p, &e));
    memcpy(p, "dle", 3);
    assert_ok(append_output(s, 1, 2, p, sizeof p, &e));
    assert_ok(append_output(s, 1, 2, "\nneedle\n", 8, &e));
    store_close(s);
    assert_string_equal(find("needle", NULL, 0, 1),
                        "aaa:1 stdout:1\naaa:1 stderr:1\naaa:1 stderr:2\n");
}

static void test_usage(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct index *ix;
    struct search *s;
    static char longer[SEARCH_TEXT_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    assert_ok(index_open(&ix, fx.dir, &e));
    const char *const bad[] = { "", "a\nb", longer };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct search_spec spec = { .text = bad[i] };
        assert_err(search_new(&s, ix, dir, &spec, add_hit, NULL, &e), ERR_USAGE);
    }
    struct search_spec spec = { .text = "a", .filter = "~no" };
    assert_err(search_new(&s, ix, dir, &spec, add_hit, NULL, &e), ERR_USAGE);
    index_close(ix);
}

/* A plan is recorded whole at each step of it; a title of it is found once in a session. */
static void test_plans(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    static const char *const plans[] = {
        "{\"steps\":[{\"title\":\"read it\"},{\"title\":\"count it\"},{}]}",
        "{\"steps\":[{\"title\":\"read it\"},{\"title\":\"sum it up\"}]}",
    };
    for (int i = 0; i < 2; i++) {
        struct store *s = make(i == 0 ? "aaa" : "bbb");
        for (size_t k = 0; k < ARRAY_LEN(plans); k++)
            assert_ok(append_json(s, EVENT_PLAN_UPDATED, 0, plans[k], &e));
        store_close(s);
    }
    assert_string_equal(find(" it", NULL, 0, 1 << 20),
                        "bbb:0 plan:1\nbbb:0 plan:1\nbbb:0 plan:1\n"
                        "aaa:0 plan:1\naaa:0 plan:1\naaa:0 plan:1\n");
    assert_string_equal(find("read it", NULL, 0, 1), "bbb:0 plan:1\naaa:0 plan:1\n");
}

static int stop_at_once(void *arg, const struct search_hit *h)
{
    (void)h;
    return ++*(int *)arg;
}

/* Who has seen enough is told no more; what can't be read is counted, and named. */
static void test_ends(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct index *ix;
    struct search *s;
    struct search_progress told;
    struct search_spec spec = { .text = "words" };
    int n = 0;
    for (int i = 0; i < 2; i++) {
        struct store *st = make(i == 0 ? "aaa" : "bbb");
        assert_ok(append_output(st, 1, 1, "words and\nwords", 15, &e));
        store_close(st);
    }
    assert_ok(index_open(&ix, fx.dir, &e));
    assert_ok(index_refresh(ix, &e));
    assert_ok(search_new(&s, ix, dir, &spec, stop_at_once, &n, &e));
    assert_int_equal(search_step(s, 1 << 20, &e), 0);
    assert_int_equal(n, 1);
    search_free(s);
    spec.text = "words and"; /* only in output */
    n = 0;
    assert_ok(search_new(&s, ix, dir, &spec, stop_at_once, &n, &e));
    while (search_step(s, 1, &e) == 1)
        ;
    assert_int_equal(n, 1);
    search_free(s);
    char *path = xasprintf("%s/aaa.db", dir);
    assert_int_equal(truncate(path, 5000), 0);
    struct buf out = BUF_INIT(1000);
    assert_ok(search_new(&s, ix, dir, &spec, add_hit, &out, &e));
    while (search_step(s, 1 << 20, &e) == 1)
        ;
    search_told(s, &told);
    assert_string_equal(buf_str(&out), "bbb:1 stdout:1\n");
    assert_int_equal(told.unreadable, 1);
    assert_string_equal(told.last, "aaa");
    assert_int_equal(told.sessions, 2);
    search_free(s);
    index_close(ix);
    buf_release(&out);
    free(path);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_texts_and_filters),
        T(test_every_border),
        T(test_a_flood_is_cut),
        T(test_long_lines),
        T(test_usage),
        T(test_plans),
        T(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
