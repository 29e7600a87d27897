/* claude_messages_judge.c - the blocks of an answer, held against the one call that was asked for.
 */
#include "providers/sandboxes/claude_messages_judge.h"

#include <stdio.h>
#include <string.h>

#include "providers/planners/anthropic_stream.h"

#define WORDS_MAX ((size_t)4 << 10)
#define ECHO_MAX  ((size_t)16 << 20)
#define OUT_MAX   ((size_t)4 << 20)
#define SHOWN_MAX 80 /* bytes of a text at the place where it differs */

static void on_event(void *arg, const struct sse_event *ev);

static void begin_round(struct judge *j)
{
    answer_init(&j->answer, NULL, NULL);
    j->answer.takes_server_calls = true;
    sse_init(&j->sse, SSE_EVENT_MAX, on_event, j);
    memset(j->looked_at, 0, sizeof j->looked_at);
    memset(j->settled, 0, sizeof j->settled);
}

void judge_init(struct judge *j, const struct judge_wanted *want)
{
    memset(j, 0, sizeof *j);
    j->want = *want;
    buf_init(&j->echo, ECHO_MAX);
    buf_init(&j->seen, JUDGE_SEEN_MAX);
    buf_init(&j->words, WORDS_MAX);
    buf_init(&j->out, OUT_MAX);
    buf_init(&j->err, OUT_MAX);
    begin_round(j);
}

void judge_release(struct judge *j)
{
    struct buf *all[] = { &j->echo, &j->seen, &j->words, &j->out, &j->err };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_release(all[i]);
    answer_release(&j->answer);
    sse_release(&j->sse);
}

/* ---- what a person is shown of it */

static void keep_start(struct buf *b, const char *p, size_t len)
{
    size_t room = b->max - b->len;
    (void)buf_add(b, p, len < room ? len : room);
}

static void see(struct judge *j, const struct answer_block *b)
{
    struct buf start = BUF_INIT(JUDGE_SEEN_MAX);
    if (b->kind == BLOCK_CALL) {
        keep_start(&j->seen, b->name, strlen(b->name));
        keep_start(&j->seen, " ", 1);
        keep_start(&j->seen, buf_str((struct buf *)(uintptr_t)&b->text), b->text.len);
    } else if (json_print(b->start, &start) == 0) {
        keep_start(&j->seen, buf_str(&start), start.len);
    }
    keep_start(&j->seen, "\n", 1);
    buf_release(&start);
}

/* Only the first one counts: nothing after it is read. */
static void deviate(struct judge *j, const struct answer_block *b, const char *how,
                    const char *what)
{
    char words[100];
    if (j->deviation.code != ERR_NONE)
        return;
    answer_copy_words(words, sizeof words, what);
    err_set(&j->deviation, ERR_INTEGRITY, "%s%s%s", how, words[0] != '\0' ? ": " : "", words);
    see(j, b);
}

/* ---- the call */

static void judge_call_start(struct judge *j, const struct answer_block *b)
{
    const struct json *caller = json_get(b->start, "caller");
    bool by_server = strcmp(json_get_str(b->start, "type", ""), "server_tool_use") == 0;
    if (j->called)
        deviate(j, b, "it made a second call", b->name);
    else if (!by_server || strcmp(b->name, j->want.tool) != 0)
        deviate(j, b, "it called another tool", b->name);
    else if (caller != NULL && strcmp(json_get_str(caller, "type", ""), "direct") != 0)
        deviate(j, b, "the call was not its own", json_get_str(caller, "type", ""));
    else if (strlen(b->id) >= sizeof j->call_id)
        deviate(j, b, "the name of its call is too long", "");
    if (j->deviation.code != ERR_NONE)
        return;
    j->called = true;
    memcpy(j->call_id, b->id, strlen(b->id) + 1);
}

static void say_difference(struct judge *j, const struct answer_block *b, const char *got)
{
    char how[160];
    size_t at = 0;
    while (at < j->want.len && got[at] == j->want.text[at])
        at++;
    snprintf(how, sizeof how, "it sent another %s, different from byte %zu on", j->want.key,
             at + 1);
    char around[SHOWN_MAX];
    size_t from = at > 20 ? at - 20 : 0;
    snprintf(around, sizeof around, "%s", got + from);
    deviate(j, b, how, around);
}

/* The input is open: the whole object is compared, not the keys we know. */
static void judge_input(struct judge *j, const struct answer_block *b)
{
    struct json *o = NULL;
    const char *raw = buf_str((struct buf *)(uintptr_t)&b->text);
    const struct json *start = json_get(b->start, "input");
    if (start != NULL && (json_kind(start) != JSON_OBJECT || json_len(start) > 0)) {
        deviate(j, b, "its input came in a form that can't be compared", "");
    } else if (json_parse(&o, raw, b->text.len, NULL) < 0 || json_kind(o) != JSON_OBJECT) {
        deviate(j, b, "its input is no whole object", "");
    } else if (json_len(o) != 1 || json_get_str(o, j->want.key, NULL) == NULL) {
        deviate(j, b, "its input holds something else than what was asked for", "");
    } else {
        const char *got = json_get_str(o, j->want.key, "");
        if (strlen(got) != j->want.len || memcmp(got, j->want.text, j->want.len) != 0)
            say_difference(j, b, got);
        else
            j->call_ok = true;
    }
    json_free(o);
}

/* ---- its result */

static bool is_id(const char *id)
{
    size_t n = strlen(id);
    return n > 0 && n < JUDGE_ID_MAX &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

static void take_files(struct judge *j, const struct json *list)
{
    for (const struct json *f = json_first(list); f != NULL; f = json_next(f)) {
        const char *id = json_get_str(f, "file_id", "");
        if (!is_id(id))
            continue;
        if (j->file_count == JUDGE_FILES_MAX)
            j->files_more++;
        else
            memcpy(j->files[j->file_count++], id, strlen(id) + 1);
    }
}

static void take_output(struct judge *j, const struct json *content)
{
    const char *out = json_get_str(content, "stdout", ""),
               *err = json_get_str(content, "stderr", "");
    keep_start(&j->out, out, strlen(out));
    keep_start(&j->err, err, strlen(err));
    j->return_code = json_get_int(content, "return_code", -1);
    take_files(j, json_get(content, "content"));
}

static void judge_result(struct judge *j, const struct answer_block *b)
{
    char good[64], failed[64];
    const struct json *content = json_get(b->start, "content");
    const char *type = json_get_str(content, "type", "");
    snprintf(good, sizeof good, "%s_result", j->want.tool);
    snprintf(failed, sizeof failed, "%s_tool_result_error", j->want.tool);
    if (!j->call_ok || strcmp(json_get_str(b->start, "tool_use_id", ""), j->call_id) != 0) {
        deviate(j, b, "there is a result of a call that was not asked for", "");
    } else if (j->answered) {
        deviate(j, b, "there are two results of one call", "");
    } else if (strcmp(type, failed) == 0) {
        answer_copy_words(j->error_code, sizeof j->error_code,
                          json_get_str(content, "error_code", "unknown"));
        j->answered = true;
    } else if (strcmp(type, good) == 0) {
        take_output(j, content);
        j->answered = true;
    } else {
        deviate(j, b, "the result is of another kind", type);
    }
}

/* ---- block by block */

static void judge_start(struct judge *j, const struct answer_block *b)
{
    const char *type = json_get_str(b->start, "type", "");
    char result[64];
    snprintf(result, sizeof result, "%s_tool_result", j->want.tool);
    if (b->kind == BLOCK_CALL)
        judge_call_start(j, b);
    else if (b->kind == BLOCK_OTHER && strcmp(type, result) == 0)
        judge_result(j, b);
    else if (b->kind == BLOCK_OTHER && strcmp(type, "redacted_thinking") != 0)
        deviate(j, b, "there is something in its answer that nobody asked for", type);
}

static void judge_end(struct judge *j, const struct answer_block *b)
{
    if (b->kind == BLOCK_CALL)
        judge_input(j, b);
    else if (b->kind == BLOCK_TEXT && b->text.len > 0)
        keep_start(&j->words, b->text.ptr, b->text.len);
}

static void look(struct judge *j)
{
    struct answer *a = &j->answer;
    size_t longest = 6 * j->want.len + 4096; /* every byte escaped */
    for (size_t i = 0; i < a->count && j->deviation.code == ERR_NONE; i++) {
        const struct answer_block *b = a->blocks[i];
        if (!j->looked_at[i]) {
            j->looked_at[i] = true;
            judge_start(j, b);
        }
        if (j->deviation.code == ERR_NONE && b->whole && !j->settled[i]) {
            j->settled[i] = true;
            judge_end(j, b);
        }
        if (b->kind == BLOCK_CALL && b->text.len > longest)
            deviate(j, b, "its input is longer than what was asked for", "");
    }
}

static bool is_over(const struct judge *j)
{
    return j->bad.code != ERR_NONE || j->deviation.code != ERR_NONE || j->answer.refused;
}

static void on_event(void *arg, const struct sse_event *ev)
{
    struct judge *j = arg;
    if (is_over(j))
        return;
    if (anthropic_event(&j->answer, ev, &j->bad) < 0)
        return;
    look(j);
}

int judge_feed(struct judge *j, const char *p, size_t len)
{
    if (!is_over(j) && sse_feed(&j->sse, p, len, &j->bad) < 0)
        err_wrap(&j->bad, "the answer");
    return is_over(j) ? -1 : 0;
}

/* ---- rounds */

static void take_usage(struct judge *j)
{
    const struct llm_usage *u = &j->answer.usage;
    if (!j->answer.has_usage)
        return;
    j->usage.input += u->input;
    j->usage.output += u->output;
    j->usage.cache_read += u->cache_read;
    j->usage.cache_write += u->cache_write;
    j->answer.has_usage = false;
    j->has_usage = true;
}

bool judge_end_round(struct judge *j)
{
    const struct answer *a = &j->answer;
    take_usage(j);
    if (is_over(j) || !a->ended)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!a->blocks[i]->whole) {
            err_set(&j->bad, ERR_FORMAT, "the answer ended inside a block");
            return false;
        }
    }
    return true;
}

int judge_next_round(struct judge *j)
{
    struct buf plain = BUF_INIT(ECHO_MAX);
    int rc = anthropic_echo(&j->answer, &j->echo, &plain);
    buf_release(&plain);
    answer_release(&j->answer);
    sse_release(&j->sse);
    begin_round(j);
    return rc;
}
