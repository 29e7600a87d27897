/* review_shell_loops.c - loops of shell code without an end: a condition that always holds, and no
 * way out that can be seen. */
#include "tool/review_shell.h"

#include <string.h>

static bool is_text(const struct shell *s, const struct lex_token *t, const char *text)
{
    return t->len == strlen(text) && memcmp(s->j->code + t->start, text, t->len) == 0;
}

static bool command_is(const struct command *c, const char *name)
{
    return c->name_len == strlen(name) && memcmp(c->name, name, c->name_len) == 0;
}

void loops_keyword(struct shell *s, const struct lex_token *t)
{
    bool until = is_text(s, t, "until"), is_for = is_text(s, t, "for") || is_text(s, t, "select");
    if (until || is_for || is_text(s, t, "while")) {
        if (s->loop_count < LOOPS_MAX)
            s->loops[s->loop_count++] = (struct loop_frame){
                .start = t->start, .len = t->len, .until = until, .is_for = is_for
            };
        return;
    }
    if (s->loop_count == 0)
        return;
    struct loop_frame *f = &s->loops[s->loop_count - 1];
    if (is_text(s, t, "do")) {
        f->at = LOOP_BODY;
    } else if (is_text(s, t, "done")) {
        if (f->endless && !f->left)
            job_check(s->j, "endless-loop", f->start, f->len);
        s->loop_count--;
    }
}

/* `1 ))` */
static bool is_true_arith(const char *p, size_t len)
{
    size_t i = 0;
    while (i < len && p[i] == ' ')
        i++;
    bool one = i < len && p[i] >= '1' && p[i] <= '9';
    while (i < len && ((p[i] >= '0' && p[i] <= '9') || p[i] == ' '))
        i++;
    return one && i < len && p[i] == ')';
}

/* for ((;;)), while ((1)) */
void loops_arith(struct shell *s, const struct lex_token *t)
{
    struct loop_frame *f = s->loop_count > 0 ? &s->loops[s->loop_count - 1] : NULL;
    if (f == NULL || f->at != LOOP_CONDITION || !is_text(s, t, "(("))
        return;
    if (!f->is_for) {
        f->endless = !f->until && f->commands++ == 0 &&
                     is_true_arith(s->j->code + t->start + 2, s->j->len - t->start - 2);
        return;
    }
    unsigned parts = 0;
    bool empty = true;
    for (size_t i = t->start + 2; i < s->j->len && i < t->start + 80; i++) {
        char c = s->j->code[i];
        if (c == ';' && ++parts == 2) {
            f->endless = empty;
            return;
        }
        if (c == ';')
            empty = true;
        else if (c != ' ' && c != '1')
            empty = parts == 0;
    }
}

/* Is the command one that always succeeds (`yes`), or always fails? */
static bool condition_holds(const struct command *c, bool yes)
{
    const struct shell *s = c->s;
    if (c->denied)
        yes = !yes;
    if (!yes)
        return command_is(c, "false");
    if (command_is(c, "true") || command_is(c, ":") || command_is(c, "sleep") ||
        command_is(c, "echo"))
        return true;
    bool bracket = command_is(c, "[");
    size_t args = c->count - 1 - (bracket ? 1 : 0);
    if (!bracket && !command_is(c, "test"))
        return false;
    for (size_t i = 1; i <= args; i++) {
        if ((c->w[i].flags & (WORD_DYNAMIC | WORD_VARIABLE)) != 0)
            return false;
    }
    bool same =
        args == 3 && c->w[1].text_len == c->w[3].text_len &&
        memcmp(word_text(s, &c->w[1]), word_text(s, &c->w[3]), c->w[1].text_len) == 0 &&
        (word_is(s, &c->w[2], "=") || word_is(s, &c->w[2], "==") || word_is(s, &c->w[2], "-eq"));
    return same || (args == 1 && c->w[1].text_len > 0);
}

void loops_command(const struct command *c)
{
    struct shell *s = c->s;
    struct loop_frame *f = s->loop_count > 0 ? &s->loops[s->loop_count - 1] : NULL;
    if (f == NULL)
        return;
    if (f->at == LOOP_CONDITION && !f->is_for)
        f->endless = f->commands++ == 0 && condition_holds(c, !f->until);
    if (command_is(c, "break"))
        f->left = true;
    if (command_is(c, "exit") || command_is(c, "return") || command_is(c, "exec") ||
        command_is(c, "kill")) {
        for (size_t i = 0; i < s->loop_count; i++)
            s->loops[i].left = true;
    }
}
