/* test_fleet.c - what an account has at a provider: listed, ended, paused and looked at, against
 * servers that answer as they should and otherwise, request by request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "providers/fleet.h"
#include "providers/registry.h"
#include "unit/fake_net.h"

#define STEPS_MAX 7

struct step {
    const char *on; /* how the request begins */
    enum net_end end;
    int status;
    const char *body, *headers;
};

enum what { LIST, KILL, PAUSE, LOOK };

struct row {
    const char *kind; /* of sandbox */
    enum what what;
    const char *id;
    struct step steps[STEPS_MAX];
    const char *told; /* items and lines, each with a newline */
    const char *says; /* of the failure; NULL: none */
};

static struct {
    const struct step *steps;
    size_t at, done;
    char told[1024];
    struct err e;
    bool keyless;
} world;

static void respond(struct fake_call *c)
{
    const struct step *s = &world.steps[world.at];
    if (s->on == NULL || strncmp(fake.last, s->on, strlen(s->on)) != 0)
        fail_msg("request %zu: %s, not %s", world.at, fake.last, s->on != NULL ? s->on : "any");
    world.at++;
    if (s->status != 0)
        fake_reply(c, s->status, s->headers, s->body != NULL ? s->body : "");
    else
        fake_end(c, s->end, true);
}

static const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (world.keyless)
        return NULL;
    if (strcmp(name, "E2B_API_KEY") == 0)
        return "e2b_0123456789012345678901234567890123456789";
    if (strcmp(name, "ANTHROPIC_API_KEY") == 0)
        return "test-key-0123456789";
    bool url = strcmp(name, "E2B_API_URL") == 0 || strcmp(name, "ANTHROPIC_BASE_URL") == 0;
    return url ? "http://127.0.0.1:9" : NULL;
}

static void note(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void note(const char *fmt, ...)
{
    size_t n = strlen(world.told);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(world.told + n, sizeof world.told - n, fmt, ap);
    va_end(ap);
}

static void on_item(void *arg, const struct fleet_item *i)
{
    (void)arg;
    note("%s '%s' %s %s%s\n", i->id, i->label, i->state, i->image,
         i->nanousd_hour > 0 ? " costs" : "");
}

static void on_line(void *arg, const char *text, size_t len)
{
    (void)arg;
    note("%.*s\n", (int)len, text);
}

static void on_done(void *arg, const struct err *e)
{
    (void)arg;
    world.done++;
    if (e != NULL)
        world.e = *e;
}

static int begin(struct fleet_call **out, const struct row *r, const struct fleet_config *cfg,
                 struct err *e)
{
    const struct fleet_ops *ops = sandbox_find(r->kind)->fleet;
    switch (r->what) {
    case LIST:
        return ops->list(out, cfg, on_item, on_done, NULL, e);
    case KILL:
        return ops->kill(out, cfg, r->id, on_done, NULL, e);
    case PAUSE:
        return ops->pause(out, cfg, r->id, on_done, NULL, e);
    default:
        return ops->look(out, cfg, r->id, on_line, on_done, NULL, e);
    }
}

static void play(const struct row *r, size_t number)
{
    struct err e = ERR_INIT;
    struct loop *lp;
    struct fleet_call *call;
    memset(&world, 0, sizeof world);
    world.steps = r->steps;
    fake.respond = respond;
    assert_int_equal(loop_new(&lp, &e), 0);
    struct net *net = net_new(lp);
    struct fleet_config cfg = { .loop = lp, .net = net, .setting = setting };
    if (begin(&call, r, &cfg, &e) < 0)
        fail_msg("row %zu: %s", number, e.msg);
    for (unsigned i = 0; i < 6000 && world.done == 0; i++)
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    if (world.done != 1 || (r->says == NULL) != (world.e.code == ERR_NONE) ||
        (r->says != NULL && strstr(world.e.msg, r->says) == NULL))
        fail_msg("row %zu: done %zu: %s", number, world.done, world.e.msg);
    if (strcmp(world.told, r->told) != 0)
        fail_msg("row %zu: told:\n%s", number, world.told);
    if (world.at < STEPS_MAX && r->steps[world.at].on != NULL)
        fail_msg("row %zu: %zu requests only", number, world.at);
    net_free(net);
    loop_free(lp);
    fake_reset();
}

#define S(on, status)                                                                              \
    {                                                                                              \
        on, 0, status, NULL, NULL                                                                  \
    }
#define B(on, status, body)                                                                        \
    {                                                                                              \
        on, 0, status, body, NULL                                                                  \
    }
#define H(on, status, body, headers)                                                               \
    {                                                                                              \
        on, 0, status, body, headers                                                               \
    }
#define E(on, end)                                                                                 \
    {                                                                                              \
        on, end, 0, NULL, NULL                                                                     \
    }

#define BOXES "GET /v2/sandboxes?"
#define SNAPS "GET /snapshots?"
#define ONE                                                                                        \
    "[{\"sandboxID\":\"i1\",\"state\":\"running\",\"alias\":\"base\",\"cpuCount\":2,"              \
    "\"memoryMB\":512,\"metadata\":{\"airlock\":\"s-1\"}}]"

static const struct row e2b_rows[] = {
    { "e2b", LIST, NULL, { B(BOXES, 200, "[]"), B(SNAPS, 200, "[]") }, "", NULL },
    { "e2b",
      LIST,
      NULL,
      { H(BOXES, 200, ONE, "X-Next-Token: t2"),
        H(BOXES "state=running%2Cpaused&limit=100&nextToken=t2", 200,
          "[{\"sandboxID\":\"i2\",\"state\":\"paused\",\"templateID\":\"t\"},"
          "{\"sandboxID\":\"../x\"},{}]",
          "X-Next-Token: "),
        H(SNAPS, 200,
          "[{\"snapshotID\":\"team/airlock-s-1-3:default\"},{\"snapshotID\":\"other\"},"
          "{\"snapshotID\":\"a b\"},{}]",
          "X-Next-Token: u2"),
        B(SNAPS "limit=100&nextToken=u2", 200, "[]") },
      "i1 's-1' running base costs\ni2 '' paused t\n"
      "team/airlock-s-1-3:default 's-1-3' snapshot \nother '' snapshot \n",
      NULL },
    /* an older server knows no snapshots */
    { "e2b", LIST, NULL, { B(BOXES, 200, "[]"), S(SNAPS, 404) }, "", NULL },
    { "e2b", LIST, NULL, { B(BOXES, 200, "[]"), S(SNAPS, 405) }, "", NULL },
    { "e2b", LIST, NULL, { B(BOXES, 200, "[]"), S(SNAPS, 500) }, "", "listing snapshots" },
    { "e2b", LIST, NULL, { S(BOXES, 404) }, "", "listing sandboxes" },
    { "e2b", LIST, NULL, { S(BOXES, 401) }, "", "listing sandboxes" },
    { "e2b", LIST, NULL, { E(BOXES, NET_CUT) }, "", "listing sandboxes" },
    { "e2b",
      LIST,
      NULL,
      { B(BOXES, 200, ONE), E(SNAPS, NET_CUT) },
      "i1 's-1' running base costs\n",
      "listing snapshots" },
    { "e2b", LIST, NULL, { B(BOXES, 200, "{}") }, "", "is no list" },
    { "e2b", LIST, NULL, { B(BOXES, 200, "[") }, "", "is no list" },
    { "e2b", KILL, "i1", { S("DELETE /sandboxes/i1", 204) }, "", NULL },
    { "e2b", KILL, "i1", { S("DELETE /sandboxes/i1", 404) }, "", NULL }, /* gone already */
    { "e2b", KILL, "i1", { S("DELETE /sandboxes/i1", 500) }, "", "ending a sandbox" },
    { "e2b", KILL, "i1", { E("DELETE /sandboxes/i1", NET_CUT) }, "", "ending a sandbox" },
    { "e2b", KILL, "t/s:v", { S("DELETE /templates/t%2Fs%3Av", 204) }, "", NULL },
    { "e2b", KILL, "t/s:v", { S("DELETE /templates/t%2Fs%3Av", 403) }, "", "a snapshot" },
    { "e2b", PAUSE, "i1", { S("POST /sandboxes/i1/pause", 204) }, "", NULL },
    { "e2b",
      PAUSE,
      "i1",
      { B("POST /sandboxes/i1/pause", 409, "{\"message\":\"is already paused\"}") },
      "",
      NULL },
    { "e2b",
      PAUSE,
      "i1",
      { B("POST /sandboxes/i1/pause", 409, "{\"message\":\"busy\"}") },
      "",
      "pausing a sandbox" },
    { "e2b", PAUSE, "i1", { S("POST /sandboxes/i1/pause", 404) }, "", "pausing a sandbox" },
    { "e2b", PAUSE, "i1", { E("POST /sandboxes/i1/pause", NET_CUT) }, "", "pausing" },
    { "e2b",
      LOOK,
      "i1",
      { B("GET /sandboxes/i1/metrics", 200,
          "[{},{\"cpuUsedPct\":12.5,\"cpuCount\":2,\"memUsed\":1048576,\"memTotal\":2097152,"
          "\"diskUsed\":0,\"diskTotal\":3145728}]"),
        B("GET /v2/sandboxes/i1/logs?", 200,
          "{\"logs\":[{\"timestamp\":\"T\",\"level\":\"info\",\"message\":\"m\"},"
          "{\"timestamp\":\"U\",\"line\":\"l\"}]}") },
      "cpu 12.5% of 2, memory 1 of 2 MiB, disk 0 of 3 MiB\nT info m\nU  l\n",
      NULL },
    { "e2b",
      LOOK,
      "i1",
      { B("GET /sandboxes/i1/metrics", 200, "[]"), S("GET /v2/sandboxes/i1/logs?", 404),
        B("GET /sandboxes/i1/logs?", 200, "{}") },
      "",
      NULL },
    { "e2b",
      LOOK,
      "i1",
      { B("GET /sandboxes/i1/metrics", 200, "[]"), S("GET /v2/sandboxes/i1/logs?", 405),
        S("GET /sandboxes/i1/logs?", 404) },
      "",
      "asking for its log" },
    { "e2b",
      LOOK,
      "i1",
      { B("GET /sandboxes/i1/metrics", 200, "[]"), E("GET /v2/sandboxes/i1/logs?", NET_CUT) },
      "",
      "asking for its log" },
    { "e2b",
      LOOK,
      "i1",
      { B("GET /sandboxes/i1/metrics", 200, "[]"), B("GET /v2/sandboxes/i1/logs?", 200, "{") },
      "",
      "JSON" },
    { "e2b", LOOK, "i1", { B("GET /sandboxes/i1/metrics", 200, "[") }, "", "JSON" },
    { "e2b", LOOK, "i1", { S("GET /sandboxes/i1/metrics", 404) }, "", "asking what it uses" },
};

#define SESSIONS "GET /v1/sessions?limit=100"
#define OURS(id, status, more)                                                                     \
    "{\"id\":\"" id "\",\"status\":\"" status "\",\"metadata\":{\"airlock\":\"s-1\"}" more "}"
#define THIS "/v1/sessions/sesn_1"

static const struct row managed_rows[] = {
    { "claude-managed", LIST, NULL, { B(SESSIONS, 200, "{\"data\":[]}") }, "", NULL },
    { "claude-managed",
      LIST,
      NULL,
      { B(SESSIONS, 200,
          "{\"data\":[" OURS("sesn_1", "idle", "") "," OURS("sesn_2", "terminated", "") "," OURS(
              "a/b", "idle",
              "") ",{\"id\":\"sesn_9\",\"status\":\"idle\"}],\"next_page\":\"p 2\"}"),
        B(SESSIONS "&page=p%202", 200,
          "{\"data\":[" OURS("sesn_3", "running",
                             ",\"agent\":{\"model\":{\"id\":\"m\"}}") "],\"next_page\":null}") },
      "sesn_1 's-1' idle \nsesn_3 's-1' running m costs\n",
      NULL },
    /* a key without Managed Agents has no sessions */
    { "claude-managed", LIST, NULL, { S(SESSIONS, 403) }, "", NULL },
    { "claude-managed", LIST, NULL, { S(SESSIONS, 404) }, "", NULL },
    { "claude-managed", LIST, NULL, { S(SESSIONS, 500) }, "", "listing sessions" },
    { "claude-managed", LIST, NULL, { E(SESSIONS, NET_CUT) }, "", "listing sessions" },
    { "claude-managed", LIST, NULL, { B(SESSIONS, 200, "[]") }, "", "is no list" },
    { "claude-managed", LIST, NULL, { B(SESSIONS, 200, "{") }, "", "JSON" },
    { "claude-managed", KILL, "sesn_1", { S("GET " THIS, 404) }, "", NULL },
    { "claude-managed", KILL, "sesn_1", { S("GET " THIS, 500) }, "", "ending a session" },
    { "claude-managed", KILL, "sesn_1", { E("GET " THIS, NET_CUT) }, "", "ending a session" },
    /* what belongs to it goes with it, its files too, what is not ours stays */
    { "claude-managed",
      KILL,
      "sesn_1",
      { B("GET " THIS, 200,
          "{\"id\":\"sesn_1\",\"status\":\"idle\",\"environment_id\":\"env_1\","
          "\"agent\":{\"id\":\"agent_1\"},\"resources\":[{\"type\":\"file\",\"file_id\":\"f_1\"},"
          "{\"type\":\"repo\",\"file_id\":\"f_9\"}]}"),
        S("DELETE " THIS, 200),
        S("DELETE /v1/environments/env_1", 500), /* tidied as far as it goes */
        S("DELETE /v1/environments/env_1", 403), S("POST /v1/agents/agent_1/archive", 200),
        S("DELETE /v1/files/f_1", 404) },
      "",
      NULL },
    { "claude-managed",
      KILL,
      "sesn_1",
      { B("GET " THIS, 200, "{\"status\":\"running\"}"), S("POST " THIS "/events", 500),
        S("DELETE " THIS, 400), /* not idle yet: stopped again */
        S("POST " THIS "/events", 200), S("DELETE " THIS, 410) },
      "",
      NULL },
    { "claude-managed",
      KILL,
      "sesn_1",
      { B("GET " THIS, 200, "{"), /* all that is known is its id */
        S("POST " THIS "/events", 200), E("DELETE " THIS, NET_CUT), S("DELETE " THIS, 429),
        E("DELETE " THIS, NET_UNREACHABLE), S("DELETE " THIS, 503) },
      "",
      "deleting" },
};

static void each_answer_is_told_as_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(e2b_rows); i++)
        play(&e2b_rows[i], i);
    for (size_t i = 0; i < ARRAY_LEN(managed_rows); i++)
        play(&managed_rows[i], 1000 + i);
}

/* ---- lists without an end */

static void respond_with_more(struct fake_call *c)
{
    world.at++;
    fake_reply(c, 200, "X-Next-Token: more",
               c->target[1] == 'v' && c->target[2] == '1' ? "{\"data\":[],\"next_page\":\"more\"}"
                                                          : "[]");
}

static void a_list_without_an_end_is_left(void **state)
{
    static const char *const kinds[] = { "e2b", "claude-managed" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct err e = ERR_INIT;
        struct loop *lp;
        struct fleet_call *call;
        memset(&world, 0, sizeof world);
        fake.respond = respond_with_more;
        assert_int_equal(loop_new(&lp, &e), 0);
        struct net *net = net_new(lp);
        struct fleet_config cfg = { .loop = lp, .net = net, .setting = setting };
        struct row r = { kinds[i], LIST, NULL, { S(NULL, 0) }, "", NULL };
        assert_int_equal(begin(&call, &r, &cfg, &e), 0);
        for (unsigned k = 0; k < 6000 && world.done == 0; k++)
            assert_int_equal(loop_turn(lp, 100, &e), 0);
        assert_int_equal(world.at, 100);
        assert_int_equal(world.e.code, ERR_LIMIT);
        assert_non_null(strstr(world.e.msg, "does not end"));
        net_free(net);
        loop_free(lp);
        fake_reset();
    }
}

/* ---- not even asked */

static void what_can_not_be_asked(void **state)
{
    static const struct row rows[] = {
        { "e2b", KILL, "../x y", { S(NULL, 0) }, "", "is no sandbox of E2B's" },
        { "e2b", PAUSE, "A", { S(NULL, 0) }, "", "is no sandbox of E2B's" },
        { "e2b", LOOK, "t/s", { S(NULL, 0) }, "", "is no sandbox of E2B's" },
        { "claude-managed", KILL, "a/b", { S(NULL, 0) }, "", "is no session of Claude's" },
    };
    struct err e = ERR_INIT;
    struct loop *lp;
    struct fleet_call *call = NULL;
    (void)state;
    memset(&world, 0, sizeof world);
    assert_int_equal(loop_new(&lp, &e), 0);
    struct net *net = net_new(lp);
    struct fleet_config cfg = { .loop = lp, .net = net, .setting = setting };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(begin(&call, &rows[i], &cfg, &e), -1);
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.msg, rows[i].says));
    }
    static const struct row good[] = { { "e2b", LIST, NULL, { S(NULL, 0) }, "", NULL },
                                       { "e2b", KILL, "i1", { S(NULL, 0) }, "", NULL },
                                       { "e2b", PAUSE, "i1", { S(NULL, 0) }, "", NULL },
                                       { "e2b", LOOK, "i1", { S(NULL, 0) }, "", NULL },
                                       { "claude-managed", LIST, NULL, { S(NULL, 0) }, "", NULL },
                                       { "claude-managed", KILL, "s", { S(NULL, 0) }, "", NULL } };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        world.keyless = true;
        assert_int_equal(begin(&call, &good[i], &cfg, &e), -1);
        assert_int_equal(e.code, ERR_MISSING);
        world.keyless = false;
        fake.refuse = true;
        assert_int_equal(begin(&call, &good[i], &cfg, &e), -1);
        assert_string_equal(e.msg, "the test has no network");
        fake.refuse = false;
        assert_int_equal(begin(&call, &good[i], &cfg, &e), 0);
        sandbox_find(good[i].kind)->fleet->drop(call); /* without a word */
        sandbox_find(good[i].kind)->fleet->drop(NULL);
    }
    assert_int_equal(world.done, 0);
    net_free(net);
    loop_free(lp);
    fake_reset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_is_told_as_it_is),
        cmocka_unit_test(a_list_without_an_end_is_left),
        cmocka_unit_test(what_can_not_be_asked),
    };
    return cmocka_run_group_tests_name("fleet", tests, NULL, NULL);
}
