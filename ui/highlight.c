/* highlight.c - code colours from the lexer's tokens. */
#include "ui/highlight.h"

#include <string.h>

void highlight_init(struct highlight *h, const char *language)
{
    lex_lines_init(&h->lines, lex_language(language));
}

void highlight_release(struct highlight *h)
{
    lex_lines_release(&h->lines);
}

void highlight_extend(struct highlight *h, const char *code, size_t len)
{
    lex_lines_extend(&h->lines, code, len);
}

static enum style_role role_of(const struct lex_token *t)
{
    switch ((enum lex_kind)t->kind) {
    case LEX_KEYWORD:
        return ROLE_KEYWORD;
    case LEX_STRING:
    case LEX_REGEX:
        return ROLE_STRING;
    case LEX_COMMENT:
        return ROLE_COMMENT;
    case LEX_NUMBER:
        return ROLE_NUMBER;
    case LEX_OPERATOR:
        return ROLE_OPERATOR;
    case LEX_BUILTIN:
    case LEX_DECORATOR:
    case LEX_VARIABLE:
        return ROLE_NAME;
    case LEX_NAME:
        return t->flags & LEX_DEF ? ROLE_NAME : ROLE_TEXT;
    case LEX_TEXT:
    case LEX_ERROR:
    case LEX_NEWLINE:
    case LEX_KINDS:
        break;
    }
    return ROLE_TEXT;
}

void highlight_seek(struct highlight_walk *w, const struct highlight *h, const char *code,
                    size_t len, size_t line)
{
    memset(w, 0, sizeof *w);
    (void)lex_lines_seek(&h->lines, code, len, line, &w->lex);
}

enum style_role highlight_role(struct highlight_walk *w, size_t offset)
{
    struct lex_token t;
    while (w->end <= offset) {
        if (!lex_next(&w->lex, &t)) {
            w->start = w->end = SIZE_MAX;
            break;
        }
        w->start = t.start;
        w->end = (size_t)t.start + t.len;
        w->role = role_of(&t);
    }
    return offset >= w->start && offset < w->end ? w->role : ROLE_TEXT;
}
