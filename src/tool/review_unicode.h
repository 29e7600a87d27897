/* review_unicode.h - what a code point does to the eye of a reader. Tables of our own, no locale.
 */
#ifndef AIRLOCK_TOOL_REVIEW_UNICODE_H
#define AIRLOCK_TOOL_REVIEW_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cp_class {
    CP_PLAIN,
    CP_CONTROL,   /* C1; C0 is looked for in the bytes */
    CP_BIDI,      /* reorders what is shown */
    CP_INVISIBLE, /* takes no room, or a blank's */
    CP_TAG,       /* tags and supplementary variation selectors: smuggled text */
    CP_JOINER,    /* ZWJ and VS16: fine between emoji, invisible elsewhere */
    CP_SPACE,     /* a blank that is no ASCII blank */
    CP_COMPAT,    /* an ASCII letter or digit in costume (NFKC folds it) */
    CP_MARK,      /* combining */
    CP_PRIVATE
};
enum cp_class unicode_class(uint32_t cp);

/* How an identifier might deceive. */
enum word_trick {
    WORD_PLAIN,
    WORD_COMPAT,    /* holds CP_COMPAT: Python reads it as ASCII */
    WORD_LOOKALIKE, /* ASCII letters mixed with letters of other scripts that look the same */
    WORD_MIXED,     /* Latin mixed with Greek, Cyrillic, Armenian … */
    WORD_WHOLE,     /* every letter looks Latin and none is */
};
enum word_trick unicode_word(const char *p, size_t len);

#endif
