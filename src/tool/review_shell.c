/* review_shell.c - the walk over shell code: tokens become words, words become commands. */
#include "tool/review_shell.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)16 << 20)

static struct level *level(struct shell *s)
{
    return &s->levels[s->depth];
}

static bool is_text(const struct shell *s, const struct lex_token *t, const char *text)
{
    return t->len == strlen(text) && memcmp(s->j->code + t->start, text, t->len) == 0;
}

/* ---- words and commands ---- */

/* `cat > x.py <<EOF`: the body is code, whoever runs it later. */
static void note_script(struct shell *s, const struct word *w)
{
    static const struct {
        const char *end;
        enum lex_lang lang;
    } ends[] = {
        { ".sh", LEX_LANG_SHELL },       { ".bash", LEX_LANG_SHELL },
        { ".py", LEX_LANG_PYTHON },      { ".js", LEX_LANG_JAVASCRIPT },
        { ".mjs", LEX_LANG_JAVASCRIPT }, { ".cjs", LEX_LANG_JAVASCRIPT },
    };
    const char *p = word_text(s, w);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t n = strlen(ends[i].end);
        if (w->text_len > n && memcmp(p + w->text_len - n, ends[i].end, n) == 0)
            level(s)->script = ends[i].lang;
    }
}

static void finish_word(struct shell *s)
{
    struct level *l = level(s);
    if (!l->in_word || l->count == 0)
        return;
    words_end(s, s->last_end);
    struct word *w = &l->words[l->count - 1];
    job_literal(s->j, word_text(s, w), w->text_len, w->start, w->end - w->start);
    if ((w->flags & WORD_TARGET) == 0)
        return;
    /* `2>&1` and `>&-` name a descriptor */
    if (l->redir == REDIR_HERESTRING) {
        free(l->here);
        l->here = xstrndup(word_text(s, w), w->text_len);
        l->here_start = w->start;
        l->here_len = w->end - w->start;
    }
    l->piped |= (l->redir == REDIR_READ && (w->flags & WORD_SUBST) != 0) ||
                (l->redir == REDIR_HERESTRING && (w->flags & WORD_DYNAMIC) != 0);
    if (l->redir == REDIR_WRITE) {
        note_script(s, w);
        files_note(&s->written, word_text(s, w), w->text_len);
    }
    bool descriptor = l->redir == REDIR_DUP && w->text_len > 0 &&
                      strspn(word_text(s, w), "0123456789-") == w->text_len;
    if ((l->redir == REDIR_WRITE || l->redir == REDIR_DUP) && !descriptor)
        command_check_write(s, w);
    l->redir = REDIR_NONE;
    l->count--;
}

static void begin_word(struct shell *s, const struct lex_token *t)
{
    struct level *l = level(s);
    if (l->in_word)
        return;
    unsigned flags = (t->flags & LEX_COMMAND) != 0 ? WORD_COMMAND : 0;
    words_begin(s, t->start, l->redir != REDIR_NONE ? WORD_TARGET : flags);
}

/* What the here-documents of the command that ends are: a script that it writes, or, of a group,
 * what an interpreter in it reads. */
static void tell_heredocs(struct shell *s, bool had)
{
    struct level *l = level(s);
    enum lex_lang lang = l->script != LEX_LANG_NONE || had ? l->script : s->reader;
    for (size_t i = 0; lang != LEX_LANG_NONE && i < l->slot_count; i++)
        s->slot_lang[l->slots[i]] = lang;
    if (l->script != LEX_LANG_NONE && l->slot_count > 0 && s->written.count > 0)
        free(s->written.names[--s->written.count]); /* it is reviewed */
    l->script = LEX_LANG_NONE;
}

/* `|` `&` `;` a line end `\n`, or `(` for what opens or closes a group. */
static void end_command(struct shell *s, char separator)
{
    struct level *l = level(s);
    finish_word(s);
    bool had = l->count > 0;
    tell_heredocs(s, had);
    if (had)
        command_review(s, separator);
    free(l->here);
    l->here = NULL;
    buf_truncate(&s->text, l->text_base);
    l->count = 0;
    l->redir = REDIR_NONE;
    l->quotes = l->params = 0;
    l->denied = false;
    if (separator == '|') {
        l->piped = true;
    } else if (had || separator == ';') {
        l->piped = l->pipe_fetch = l->pipe_decode = false;
        l->slot_count = 0;
        l->last[0] = '\0';
    }
}

/* What is piped into `while … done`, `{ … }`, `( … )` is piped into the commands in it. */
static void follow_group(struct shell *s, bool opens, bool closes, bool paren)
{
    struct level *l = level(s);
    if (opens && (l->groups > 0 || l->piped) && l->groups < 64) {
        l->group_parens = l->group_parens << 1 | paren;
        l->groups++;
    } else if (closes && l->groups > 0 && (l->group_parens & 1) == paren) {
        l->group_parens >>= 1;
        l->groups--;
    }
}

static void follow_keyword_group(struct shell *s, const struct lex_token *t)
{
    static const char *const opening[] = { "while", "until", "for", "select", "if", "case", "{" };
    static const char *const closing[] = { "done", "fi", "esac", "}" };
    bool opens = false, closes = false;
    for (size_t i = 0; i < ARRAY_LEN(opening); i++)
        opens |= is_text(s, t, opening[i]);
    for (size_t i = 0; i < ARRAY_LEN(closing); i++)
        closes |= is_text(s, t, closing[i]);
    follow_group(s, opens, closes, false);
}

static void push_level(struct shell *s, const struct lex_token *t, bool tick)
{
    if (s->depth + 1 >= LEVELS_MAX)
        return;
    struct level *l = &s->levels[++s->depth];
    struct word *words = l->words;
    size_t cap = l->cap;
    *l = (struct level){
        .words = words,
        .cap = cap,
        .depth = t->depth,
        .is_tick = tick,
        .text_base = s->text.len,
        .piped = s->j->code[t->start] == '>' /* >( … ) */
    };
}

/* What the substitution did is true of the word it stands in. */
static void pop_level(struct shell *s)
{
    end_command(s, ';');
    bool fetch = level(s)->fetch, decode = level(s)->decode;
    s->depth--;
    struct level *l = level(s);
    l->fetch |= fetch;
    l->decode |= decode;
    if (l->in_word && l->count > 0)
        l->words[l->count - 1].flags |= (fetch ? WORD_FETCHED : 0u) | (decode ? WORD_DECODED : 0u);
}

/* ---- here-documents ---- */

static void note_heredoc(struct shell *s)
{
    size_t slot = s->slot_next++ % SLOTS_MAX;
    struct level *l = level(s);
    s->slot_lang[slot] = LEX_LANG_NONE;
    if (l->slot_count < SLOTS_MAX)
        l->slots[l->slot_count++] = (uint8_t)slot;
    l->redir = REDIR_HEREDOC;
}

static void begin_body(struct shell *s, size_t at)
{
    if (s->bodies == LEX_HEREDOCS || s->slot_first == s->slot_next)
        return;
    s->body_lang[s->bodies] = s->slot_lang[s->slot_first++ % SLOTS_MAX];
    s->body_level[s->bodies] = s->depth;
    s->body_start[s->bodies++] = at;
}

static void end_body(struct shell *s, size_t at)
{
    if (s->bodies == 0)
        return;
    size_t start = s->body_start[--s->bodies];
    enum lex_lang lang = s->body_lang[s->bodies];
    if (lang != LEX_LANG_NONE && at > start)
        job_nested(s->j, lang, s->j->code + start, at - start, start, at - start, true);
}

/* ---- tokens ---- */

static void take_assignment(struct shell *s, const struct lex_token *t)
{
    size_t end = (size_t)t->start + t->len;
    char next = end < s->j->len ? s->j->code[end] : '\0';
    finish_word(s);
    if (next != '=' && next != '+') { /* of a for: many values */
        vars_find(s, s->j->code + t->start, t->len, true);
        vars_set(s, s->j->code + t->start, t->len, NULL, 0);
        return;
    }
    words_begin(s, t->start, WORD_ASSIGN);
    struct word *w = &level(s)->words[level(s)->count - 1];
    if (buf_add(&s->text, s->j->code + t->start, t->len) == 0)
        w->text_len = w->name_len = t->len;
}

static bool in_ticks(const struct shell *s)
{
    for (size_t i = s->depth; i > 0; i--) {
        if (s->levels[i].is_tick)
            return true;
    }
    return false;
}

/* `$(`, `<(`, backtick; in a word, in arithmetic or in a here-document. */
static void open_substitution(struct shell *s, const struct lex_token *t, bool tick)
{
    struct level *l = level(s);
    bool in_body = s->bodies > 0 && s->body_level[s->bodies - 1] == s->depth;
    if (l->arith == 0 && !in_body) {
        begin_word(s, t);
        if (l->params == 0)
            words_hole(s);
        if (s->j->code[t->start] == '<' || s->j->code[t->start] == '>')
            l->words[l->count - 1].flags |= WORD_SUBST;
    }
    push_level(s, t, tick);
}

static void take_redirection(struct shell *s, const struct lex_token *t)
{
    const char *p = s->j->code + t->start;
    struct level *l = level(s);
    finish_word(s);
    if (memmem(p, t->len, "<<<", 3) != NULL) {
        l->redir = REDIR_HERESTRING;
    } else if (memmem(p, t->len, "<<", 2) != NULL) {
        note_heredoc(s);
    } else if (memmem(p, t->len, ">&", 2) != NULL || memmem(p, t->len, "<&", 2) != NULL) {
        l->redir = REDIR_DUP;
    } else if (memchr(p, '>', t->len) != NULL) {
        l->redir = REDIR_WRITE;
    } else {
        l->redir = REDIR_READ;
    }
}

static void open_arith(struct shell *s, const struct lex_token *t)
{
    struct level *l = level(s);
    if (l->arith > 0)
        return;
    if (s->j->code[t->start] == '$') {
        begin_word(s, t);
        if (l->params == 0)
            words_hole(s);
    } else {
        finish_word(s);
        loops_arith(s, t);
    }
    l->arith = t->depth + 1u;
}

static void take_separator(struct shell *s, const struct lex_token *t)
{
    char c = s->j->code[t->start];
    if (is_text(s, t, "|") || is_text(s, t, "|&"))
        end_command(s, '|');
    else if (is_text(s, t, "&"))
        end_command(s, '&');
    else
        end_command(s, c == '(' || c == ')' || c == '\\' ? '(' : ';');
    if (is_text(s, t, "(") || is_text(s, t, ")"))
        follow_group(s, c == '(', c == ')', true);
}

static void take_operator(struct shell *s, const struct lex_token *t)
{
    const char *p = s->j->code + t->start;
    struct level *l = level(s);
    bool tick = is_text(s, t, "`");
    if (is_text(s, t, "\\")) {
        s->joined = true;
    } else if (tick && in_ticks(s)) {
        end_command(s, '\n');
    } else if (tick || is_text(s, t, "$(") || is_text(s, t, "<(") || is_text(s, t, ">(")) {
        open_substitution(s, t, tick);
    } else if (is_text(s, t, "$((") || is_text(s, t, "$[") || is_text(s, t, "((")) {
        open_arith(s, t);
    } else if (l->arith > 0) {
        return;
    } else if (l->in_word && (p[0] == '=' || p[0] == '+')) {
        if (t->len > 1)
            words_hole(s); /* += or an array: not one value */
    } else if (l->in_cond) {
        finish_word(s);
    } else if (memchr(p, '<', t->len) != NULL || memchr(p, '>', t->len) != NULL) {
        take_redirection(s, t);
    } else {
        take_separator(s, t);
    }
}

static void take_newline(struct shell *s, const struct lex_token *t)
{
    struct level *l = level(s);
    bool joined = s->joined;
    s->joined = false;
    if (joined)
        return;
    if ((t->flags & LEX_INSIDE) == 0)
        end_command(s, '\n');
    else if (l->quotes > 0 || l->params > 0 || l->raw_open)
        words_newline(s);
    else
        finish_word(s);
}

static void take_definition(struct shell *s, const struct lex_token *t)
{
    size_t n = t->len < SH_NAME_MAX - 1 ? t->len : SH_NAME_MAX - 1;
    end_command(s, '(');
    memcpy(s->defining, s->j->code + t->start, n);
    s->defining[n] = '\0';
    struct var *v = vars_find(s, s->defining, n, true);
    if (v != NULL)
        v->function = true;
}

/* In a here-document only substitutions and variables mean something. */
static void take_body_token(struct shell *s, const struct lex_token *t)
{
    const char *p = s->j->code + t->start;
    if (t->kind == LEX_STRING)
        job_literal(s->j, p, t->len, t->start, t->len);
    else if (t->kind == LEX_OPERATOR && !is_text(s, t, "$((") && !is_text(s, t, "$[") &&
             (p[0] == '$' || (p[0] == '`' && !in_ticks(s))))
        open_substitution(s, t, p[0] == '`');
}

static void take_token(struct shell *s, const struct lex_token *t)
{
    struct level *l = level(s);
    bool quoted = l->quotes > 0 || l->params > 0 || l->raw_open || l->arith > 0;
    if (t->kind == LEX_COMMENT || t->kind == LEX_ERROR)
        return;
    if (s->bodies > 0 && s->body_level[s->bodies - 1] == s->depth) {
        take_body_token(s, t);
        return;
    }
    if (t->start != s->last_end && !quoted)
        finish_word(s);
    if (l->redir == REDIR_HEREDOC && t->kind == LEX_STRING) {
        l->redir = REDIR_NONE; /* the delimiter */
        return;
    }
    if (t->kind == LEX_NEWLINE) {
        take_newline(s, t);
    } else if (t->kind == LEX_OPERATOR) {
        take_operator(s, t);
    } else if (l->arith > 0) {
        return;
    } else if (t->kind == LEX_KEYWORD) {
        end_command(s, '(');
        l->in_cond = is_text(s, t, "[[");
        l->denied = is_text(s, t, "!");
        follow_keyword_group(s, t);
        loops_keyword(s, t);
    } else if ((t->flags & LEX_DEF) != 0) {
        take_definition(s, t);
    } else if (t->kind == LEX_VARIABLE && (t->flags & (LEX_OPEN | LEX_CLOSE)) == 0 &&
               l->redir == REDIR_NONE) {
        take_assignment(s, t);
    } else {
        begin_word(s, t);
        words_add(s, t);
    }
}

static void follow_depth(struct shell *s, const struct lex_token *t)
{
    while (s->depth > 0 && t->depth <= level(s)->depth)
        pop_level(s);
    if (level(s)->arith > 0 && t->depth < level(s)->arith)
        level(s)->arith = 0;
}

static void walk(struct shell *s)
{
    struct lex lx;
    struct lex_token t;
    uint8_t active = 0;
    lex_init(&lx, LEX_LANG_SHELL, s->j->code, s->j->len);
    while (lex_next(&lx, &t)) {
        if ((t.flags & LEX_UNSURE) != 0)
            job_check(s->j, "unsure", t.start, t.len);
        bool ends = lx.state.active < active;
        if (!ends || t.kind == LEX_NEWLINE) {
            follow_depth(s, &t);
            take_token(s, &t);
        }
        if (ends) {
            while (s->bodies > 0 && s->depth > s->body_level[s->bodies - 1])
                pop_level(s);
            end_body(s, t.start);
        } else if (lx.state.active > active) {
            begin_body(s, lx.at);
        }
        active = lx.state.active;
        s->last_end = lx.at;
    }
    while (s->depth > 0)
        pop_level(s);
    end_command(s, '\n');
    while (s->bodies > 0)
        end_body(s, s->j->len);
    if (lx.state.lost != 0)
        job_check(s->j, "nesting", 0, 1);
}

void review_shell(struct review_job *j)
{
    struct shell *s = xcalloc(1, sizeof(*s));
    s->j = j;
    buf_init(&s->text, TEXT_MAX);
    (void)buf_add(&s->text, "", 0); /* ptr is never NULL from here on */
    s->vars = xcalloc(VARS_SLOTS, sizeof(*s->vars));
    walk(s);
    for (size_t i = 0; i < LEVELS_MAX; i++)
        free(s->levels[i].words);
    for (size_t i = 0; i < VARS_SLOTS; i++) {
        free(s->vars[i].name);
        free(s->vars[i].value);
    }
    for (size_t i = 0; i < s->loaded.count; i++)
        free(s->loaded.names[i]);
    for (size_t i = 0; i < s->written.count; i++)
        free(s->written.names[i]);
    buf_release(&s->text);
    free(s->vars);
    free(s);
}
