/* owncode.c - the person's own code at the prompt: its prefix, and whether it goes on in the next
 * line. */
#include <stdlib.h>
#include <string.h>

#include "cli/screen_int.h"
#include "tool/lex.h"

bool own_code_parse(const char *line, const char *dflt, const char **language, const char **code)
{
    static const struct {
        const char *prefix, *language;
    } prefixes[] = { { "!py", "python" }, { "!js", "javascript" }, { "!sh", "bash" } };
    if (line[0] != '!')
        return false;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t n = strlen(prefixes[i].prefix);
        if (strncmp(line, prefixes[i].prefix, n) == 0 && (line[n] == ' ' || line[n] == '\0')) {
            *language = prefixes[i].language;
            *code = line + n + (line[n] == ' ');
            return true;
        }
    }
    *language = dflt;
    *code = line + 1 + (line[1] == ' ');
    return true;
}

/* Words and signs behind which a shell command goes on. */
static bool shell_goes_on(const char *last, size_t len)
{
    static const char *const words[] = { "do", "then", "else", "{", "|", "||", "&&", "in" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strlen(words[i]) == len && memcmp(words[i], last, len) == 0)
            return true;
    }
    return false;
}

/* What the word does to the number of compound commands that are open; the lexer counts `case`
 * and brackets. */
static int shell_nesting(const char *word, size_t len)
{
    static const struct {
        const char *word;
        int change;
    } words[] = { { "if", 1 }, { "for", 1 }, { "while", 1 }, { "until", 1 }, { "select", 1 },
                  { "{", 1 },  { "fi", -1 }, { "done", -1 }, { "}", -1 } };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strlen(words[i].word) == len && memcmp(words[i].word, word, len) == 0)
            return words[i].change;
    }
    return 0;
}

bool own_code_is_unfinished(const char *language, const char *code, size_t len)
{
    struct lex lx;
    struct lex_token t, last = { .len = 0 };
    bool inside = false;
    int nesting = 0;
    enum lex_lang lang = lex_language(language);
    /* With its line end: the lexer says of it whether a statement ends there. */
    char *text = xmalloc(len + 2);
    memcpy(text, code, len);
    memcpy(text + len, "\n", 2);
    lex_init(&lx, lang, text, len + 1);
    while (lex_next(&lx, &t)) {
        if (t.kind == LEX_NEWLINE)
            inside = t.flags & LEX_INSIDE;
        else if (t.kind != LEX_COMMENT)
            last = t;
        if (t.kind == LEX_KEYWORD && lang == LEX_LANG_SHELL)
            nesting += shell_nesting(text + t.start, t.len);
    }
    bool open = inside || lx.state.active > 0 || lx.state.pending > 0 ||
                (lang == LEX_LANG_JAVASCRIPT && lx.state.depth > 0);
    if (!open && last.len > 0 && lang == LEX_LANG_PYTHON)
        open = (text[last.start] == ':' && last.len == 1) || last.kind == LEX_DECORATOR;
    if (!open && last.len > 0 && lang == LEX_LANG_SHELL)
        open = nesting > 0 || lx.state.depth > 0 ||
               (last.kind != LEX_TEXT && shell_goes_on(text + last.start, last.len));
    free(text);
    return open;
}
