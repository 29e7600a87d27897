/* e2b_box.h - what the tests of misbehaving E2B servers share: faults by name, and what the server
 * saw. */
#ifndef AIRLOCK_TESTS_CONTRACT_E2B_BOX_H
#define AIRLOCK_TESTS_CONTRACT_E2B_BOX_H

#include "contract/box.h"

static inline const struct json *stats(struct json **tree)
{
    struct err e = ERR_INIT;
    const char *line = box_remote_say("{\"ask\":\"stats\"}");
    if (json_parse(tree, line, strlen(line), &e) < 0)
        fail_msg("%s: %s", e.msg, line);
    return *tree;
}

static inline int executed(void)
{
    struct json *tree;
    int count = 0;
    for (const struct json *c = json_first(json_get(stats(&tree), "codes")); c != NULL;
         c = json_next(c))
        count += strstr(json_str(c, ""), "'/workspace/ran', 'a'") != NULL;
    json_free(tree);
    return count;
}

static inline int64_t alive(void)
{
    struct json *tree;
    int64_t n = (int64_t)json_len(json_get(stats(&tree), "alive"));
    json_free(tree);
    return n;
}

static inline int64_t created(void)
{
    struct json *tree;
    int64_t n = json_get_int(stats(&tree), "created", -1);
    json_free(tree);
    return n;
}

static inline void say(const char *line)
{
    assert_string_equal(box_remote_say(line), "{}\n");
}

static inline void forget(void)
{
    say("{\"ask\":\"forget\"}");
}

#define STATUS(s, body) "\"do\":\"status\",\"status\":" #s ",\"body\":\"" body "\""
#define REPLAY(body)    "\"do\":\"replay\",\"body\":\"" body "\""
#define EDGE(m)         "{\\\"sandboxId\\\":\\\"i0\\\",\\\"message\\\":\\\"" m "\\\",\\\"code\\\":1}"

static inline void set_fault(const char *on, const char *fault)
{
    char *line = xasprintf("{\"on\":\"%s\",%s}", on, fault);
    say(line);
    free(line);
}

#endif
