/* review_lookup.c - what the rules have under a name. */
#include "tool/review_impl.h"

#include <string.h>

uint32_t rules_key_hash(enum lex_lang lang, const char *p, size_t n)
{
    uint32_t h = 2166136261u ^ (uint32_t)lang;
    for (size_t i = 0; i < n; i++)
        h = rules_hash_add(h, p[i]);
    return h;
}

static const struct rule_entry *next_entry(const struct review_rules *r, uint32_t i, uint32_t h,
                                           enum lex_lang lang, const char *key, size_t len)
{
    for (; i != 0; i = r->entries[i - 1].next) {
        const struct rule_entry *en = &r->entries[i - 1];
        if (en->hash == h && en->lang == lang && en->key_len == len &&
            memcmp(en->key, key, len) == 0)
            return en;
    }
    return NULL;
}

const struct rule_entry *rules_find(const struct review_rules *r, enum lex_lang lang,
                                    enum match_kind kind, const char *key, size_t len,
                                    const struct rule_entry *prev)
{
    uint32_t h = prev != NULL ? prev->hash : rules_key_hash(lang, key, len);
    uint32_t i = prev != NULL ? prev->next : r->buckets[h % RULES_BUCKETS];
    const struct rule_entry *en = next_entry(r, i, h, lang, key, len);
    while (en != NULL && en->kind != kind)
        en = next_entry(r, en->next, h, lang, key, len);
    return en;
}

uint32_t rules_hash(enum lex_lang lang)
{
    return rules_key_hash(lang, "", 0);
}

unsigned rules_kinds(const struct review_rules *r, enum lex_lang lang, const char *key, size_t len,
                     uint32_t h)
{
    unsigned kinds = 0;
    const struct rule_entry *en = next_entry(r, r->buckets[h % RULES_BUCKETS], h, lang, key, len);
    for (; en != NULL; en = next_entry(r, en->next, h, lang, key, len))
        kinds |= 1u << en->kind;
    return kinds;
}

const struct review_rule *rules_check(const struct review_rules *r, enum lex_lang lang,
                                      const char *name)
{
    const struct rule_entry *en = rules_find(r, lang, MATCH_CHECK, name, strlen(name), NULL);
    if (en == NULL && lang != LEX_LANG_NONE)
        en = rules_find(r, LEX_LANG_NONE, MATCH_CHECK, name, strlen(name), NULL);
    return en != NULL ? &r->rules[en->rule] : NULL;
}

bool glob_match(const char *glob, const char *p, size_t len)
{
    size_t i = 0, star_at = 0;
    const char *star = NULL;
    while (i < len) {
        if (*glob == '*') {
            star = ++glob;
            star_at = i;
        } else if (*glob != '\0' && (*glob == p[i] || *glob == '?')) {
            glob++;
            i++;
        } else if (star != NULL) {
            glob = star;
            i = ++star_at;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

bool glob_name(const char *glob, const char *p, size_t len)
{
    return memchr(p, '(', len) == NULL && memchr(p, '[', len) == NULL && glob_match(glob, p, len);
}
