/* expectation.c - reading expectations: one check per line. */
#include "providers/expectation.h"

#include <stdlib.h>
#include <string.h>
#include "base/line_regex.h"

static const char forms[] =
    "exit N, stderr empty, stdout contains TEXT, stdout matches REGEX, stdout equals TEXT, stdout "
    "is json|integer|number, file PATH exists, within SECONDS, code: PYTHON";

static int not_a_check(size_t line, const char *text, const char *why, struct err *e)
{
    if (why != NULL)
        return err_set(e, ERR_FORMAT, "line %zu: `%.80s`: %s", line, text, why);
    return err_set(e, ERR_FORMAT, "line %zu: `%.80s` is no check; a check is one of: %s", line,
                   text, forms);
}

/* The rest of `text` after `prefix` and blanks; NULL when it does not begin so. */
static const char *after(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(text, prefix, n) != 0)
        return NULL;
    if (text[n] != '\0' && text[n] != ' ' && text[n] != '\t' && prefix[n - 1] != ':')
        return NULL;
    return text + n + strspn(text + n, " \t");
}

static bool read_count(const char *s, int64_t max, int64_t *out)
{
    size_t n = strspn(s, "0123456789");
    int64_t v = 0;
    if (n == 0 || n > 9 || s[n] != '\0')
        return false;
    for (size_t i = 0; i < n; i++)
        v = v * 10 + (s[i] - '0');
    *out = v;
    return v <= max;
}

/* Seconds with at most three decimals, in milliseconds. */
static bool read_seconds(const char *s, int64_t *out)
{
    size_t n = strspn(s, "0123456789");
    int64_t ms = 0;
    if (n == 0 || n > 6)
        return false;
    for (size_t i = 0; i < n; i++)
        ms = ms * 10 + (s[i] - '0');
    s += n;
    size_t decimals = 0;
    if (*s == '.') {
        decimals = strspn(++s, "0123456789");
        if (decimals == 0 || decimals > 3)
            return false;
    }
    const char *unit = s + decimals + strspn(s + decimals, " ");
    if (*unit != '\0' && strcmp(unit, "s") != 0)
        return false;
    for (size_t i = 0; i < 3; i++)
        ms = ms * 10 + (i < decimals ? s[i] - '0' : 0);
    *out = ms;
    return ms > 0;
}

static int read_file_check(struct check *c, size_t line, const char *rest, struct err *e)
{
    size_t n = strlen(rest), word = strlen(" exists");
    if (n <= word || strcmp(rest + n - word, " exists") != 0)
        return not_a_check(line, c->text, "write `file PATH exists`", e);
    n -= word;
    while (n > 0 && rest[n - 1] == ' ')
        n--;
    if (n == 0)
        return not_a_check(line, c->text, "names no file", e);
    c->kind = CHECK_FILE_EXISTS;
    c->arg = xstrndup(rest, n);
    return 0;
}

static int read_stdout_check(struct check *c, size_t line, const char *rest, struct err *e)
{
    static const struct {
        const char *word;
        enum check_kind kind;
    } rows[] = { { "contains", CHECK_STDOUT_CONTAINS },
                 { "matches", CHECK_STDOUT_MATCHES },
                 { "equals", CHECK_STDOUT_EQUALS },
                 { "is", CHECK_STDOUT_IS } };
    const char *arg = NULL;
    for (size_t i = 0; i < ARRAY_LEN(rows) && arg == NULL; i++) {
        arg = after(rest, rows[i].word);
        c->kind = rows[i].kind;
    }
    if (arg == NULL)
        return not_a_check(line, c->text, NULL, e);
    if (arg[0] == '\0' && c->kind != CHECK_STDOUT_EQUALS)
        return not_a_check(line, c->text, "says nothing to look for", e);
    if (c->kind == CHECK_STDOUT_IS && strcmp(arg, "json") != 0 && strcmp(arg, "integer") != 0 &&
        strcmp(arg, "number") != 0)
        return not_a_check(line, c->text, "stdout is json, integer or number", e);
    if (c->kind == CHECK_STDOUT_MATCHES) {
        struct line_regex *re = NULL;
        if (line_regex_new(&re, arg, e) < 0)
            return err_wrap(e, "line %zu: `%.80s`", line, c->text);
        line_regex_free(re);
    }
    c->arg = xstrdup(arg);
    return 0;
}

static int read_check(struct check *c, size_t line, struct err *e)
{
    const char *rest;
    if ((rest = after(c->text, "exit")) != NULL) {
        c->kind = CHECK_EXIT;
        return read_count(rest, 255, &c->number)
                   ? 0
                   : not_a_check(line, c->text, "exit takes 0 to 255", e);
    }
    if ((rest = after(c->text, "within")) != NULL) {
        c->kind = CHECK_WITHIN;
        return read_seconds(rest, &c->number)
                   ? 0
                   : not_a_check(line, c->text, "within takes seconds, as 5 or 0.25", e);
    }
    if ((rest = after(c->text, "stderr")) != NULL) {
        c->kind = CHECK_STDERR_EMPTY;
        return strcmp(rest, "empty") == 0 ? 0 : not_a_check(line, c->text, NULL, e);
    }
    if ((rest = after(c->text, "stdout")) != NULL)
        return read_stdout_check(c, line, rest, e);
    if ((rest = after(c->text, "file")) != NULL)
        return read_file_check(c, line, rest, e);
    if ((rest = after(c->text, "code:")) != NULL) {
        c->kind = CHECK_CODE;
        c->arg = xstrdup(rest);
        return *rest != '\0' ? 0 : not_a_check(line, c->text, "there is no code in it", e);
    }
    return not_a_check(line, c->text, NULL, e);
}

/* One check with its continuation lines, from `at`. Returns where the next begins; `*lines` counts
 * what was consumed. The text is the caller's. */
static const char *cut_check(const char *at, const char *end, struct buf *out, size_t *lines)
{
    buf_reset(out);
    for (bool first = true;; first = false) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        const char *stop = nl != NULL ? nl : end;
        if (!first)
            buf_add_char(out, '\n');
        buf_add(out, at, (size_t)(stop - at));
        (*lines)++;
        at = nl != NULL ? nl + 1 : end;
        if (at == end || *at != '\t')
            return at;
        at++;
    }
}

static const char *trim(struct buf *b)
{
    while (b->len > 0 && strchr(" \t\r\n", b->ptr[b->len - 1]) != NULL)
        buf_truncate(b, b->len - 1);
    const char *s = buf_str(b);
    return s + strspn(s, " ");
}

static int parse(struct expectation *x, const char *at, const char *end, struct buf *text,
                 struct err *e)
{
    size_t next = 1;
    while (at < end) {
        size_t line = next;
        if (*at == '\t')
            return not_a_check(line, "", "a line that begins with a TAB continues nothing", e);
        size_t lines = 0;
        at = cut_check(at, end, text, &lines);
        next += lines;
        if (memchr(buf_str(text), '\0', text->len) != NULL)
            return not_a_check(line, buf_str(text), "has a NUL byte", e);
        const char *s = trim(text);
        if (*s == '\0')
            continue;
        if (x->count == EXPECT_CHECKS_MAX)
            return err_set(e, ERR_LIMIT, "more than %d checks", EXPECT_CHECKS_MAX);
        x->checks = xreallocarray(x->checks, x->count + 1, sizeof *x->checks);
        struct check *c = &x->checks[x->count++];
        *c = (struct check){ .text = xstrdup(s) };
        if (read_check(c, line, e) < 0)
            return -1;
    }
    return 0;
}

int expectation_parse(struct expectation *out, const char *text, size_t len, struct err *e)
{
    struct expectation x = { NULL, 0 };
    struct buf line = BUF_INIT(EXPECT_MAX);
    if (len > EXPECT_MAX)
        return err_set(e, ERR_LIMIT, "expectations of more than %zu bytes", EXPECT_MAX);
    int rc = len > 0 ? parse(&x, text, text + len, &line, e) : 0;
    buf_release(&line);
    if (rc < 0)
        expectation_release(&x);
    else
        *out = x;
    return rc;
}

void expectation_release(struct expectation *x)
{
    if (x == NULL)
        return;
    for (size_t i = 0; i < x->count; i++) {
        free(x->checks[i].text);
        free(x->checks[i].arg);
    }
    free(x->checks);
    *x = (struct expectation){ NULL, 0 };
}

int expectation_from_line(struct buf *out, const char *line)
{
    static const char between[] = " ;";
    for (const char *p = line + strspn(line, between); *p != '\0'; p += strspn(p, between)) {
        const char *end = strstr(p, " ; ");
        size_t n = end != NULL ? (size_t)(end - p) : strlen(p);
        const char *next = p + n + (end != NULL ? 3 : 0);
        while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == ';'))
            n--;
        if (n > 0 && expectation_add(out, p, n) < 0)
            return -1;
        p = next;
    }
    return 0;
}

int expectation_add(struct buf *out, const char *check, size_t len)
{
    int rc = out->len > 0 && out->ptr[out->len - 1] != '\n' ? buf_add_char(out, '\n') : 0;
    while (len > 0 && (check[len - 1] == '\n' || check[len - 1] == '\r'))
        len--;
    for (size_t i = 0; rc == 0 && i < len; i++)
        rc = check[i] == '\n' ? buf_add(out, "\n\t", 2) : buf_add_char(out, check[i]);
    return rc;
}

char *expectation_check_code(const struct expectation *x)
{
    struct buf code = BUF_INIT(2 * EXPECT_MAX);
    for (size_t i = 0; i < x->count; i++) {
        if (x->checks[i].kind == CHECK_CODE)
            buf_addf(&code, "%s\n", x->checks[i].arg);
    }
    return buf_detach(&code);
}

const char **expectation_paths(const struct expectation *x, size_t *n)
{
    const char **list = xcalloc(x->count, sizeof *list);
    *n = 0;
    for (size_t i = 0; i < x->count; i++) {
        if (x->checks[i].kind == CHECK_FILE_EXISTS)
            list[(*n)++] = x->checks[i].arg;
    }
    return list;
}
