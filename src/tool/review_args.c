/* review_args.c - numbers, and the arguments of a call. */
#include "tool/review_names.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT 64u

/* ---- numbers ---- */

static double one_number(const struct names *n, size_t i)
{
    char text[NUMBER_TEXT];
    size_t len = 0;
    if (i >= n->count || n->toks[i].kind != LEX_NUMBER)
        return -1;
    const char *p = tok_text(n, i);
    for (size_t k = 0; k < n->toks[i].len && len + 1 < sizeof(text); k++) {
        if (p[k] != '_')
            text[len++] = p[k];
    }
    text[len] = '\0';
    if (len > 2 && text[0] == '0' && (text[1] | 0x20) == 'b')
        return (double)strtoull(text + 2, NULL, 2);
    if (len > 2 && text[0] == '0' && (text[1] | 0x20) == 'o')
        return (double)strtoull(text + 2, NULL, 8);
    return strtod(text, NULL);
}

/* base^exponent, as far as it matters: 10^300 says that to write it down takes more than a
 * megabyte, smaller ones stop at 10^200. */
static double power(double base, double exponent)
{
    double v = 1;
    if (base >= 2 && exponent >= 1e7)
        return 1e300;
    for (; exponent >= 1 && v < 1e200 && base > 1; exponent--)
        v *= base;
    return v;
}

static double number_from(const struct names *n, size_t i, size_t end, unsigned depth)
{
    double v = one_number(n, i);
    while (v >= 0 && i + 2 < end && depth < 8 && one_number(n, i + 2) >= 0) {
        if (tok_is_op(n, i + 1, OP_POWER)) /* binds to the right */
            return power(v, number_from(n, i + 2, end, depth + 1));
        if (tok_is_op(n, i + 1, OP_SHIFT))
            v = v * power(2, one_number(n, i + 2));
        else if (tok_is_op(n, i + 1, '*'))
            v = v * one_number(n, i + 2);
        else
            break;
        i += 2;
        depth++;
    }
    return v;
}

double literal_number(const struct names *n, size_t i, size_t end)
{
    return number_from(n, i, end, 0);
}

/* ---- arguments ---- */

void args_split(const struct names *n, size_t i, struct args *out)
{
    *out = (struct args){ .open = i, .close = n->toks[i].aux };
    size_t from = i + 1;
    if (out->close <= i) {
        out->close = i;
        return;
    }
    for (size_t k = from; k <= out->close; k++) {
        if (k < out->close && n->toks[k].op != 0 && n->toks[k].aux > k &&
            n->toks[k].kind == LEX_OPERATOR) {
            k = n->toks[k].aux;
            continue;
        }
        if (k < out->close && !tok_is_op(n, k, ','))
            continue;
        bool kw = tok_is_name(n, from) && tok_is_op(n, from + 1, '=') && from + 1 < k;
        if (kw && out->kw_count < ARGS_MAX) {
            out->kw_name[out->kw_count] = (uint32_t)from;
            out->kw_from[out->kw_count] = from + 2;
            out->kw_to[out->kw_count++] = k;
        } else if (!kw && k > from && out->count < ARGS_MAX) {
            out->from[out->count] = from;
            out->to[out->count++] = k;
        }
        from = k + 1;
        if (out->count == ARGS_MAX && out->kw_count == ARGS_MAX)
            return;
    }
}

bool args_find(const struct names *n, const struct args *a, int pos, const char *kw, size_t *from,
               size_t *to)
{
    for (size_t i = 0; kw != NULL && i < a->kw_count; i++) {
        if (!tok_is_word(n, a->kw_name[i], kw))
            continue;
        *from = a->kw_from[i];
        *to = a->kw_to[i];
        return true;
    }
    if (pos == ARG_LAST && a->count > 0)
        pos = (int)a->count - 1;
    if (pos < 0 || (size_t)pos >= a->count)
        return false;
    *from = a->from[pos];
    *to = a->to[pos];
    return true;
}

void args_drop_first(struct args *a)
{
    a->count--;
    memmove(a->from, a->from + 1, a->count * sizeof(a->from[0]));
    memmove(a->to, a->to + 1, a->count * sizeof(a->to[0]));
}
