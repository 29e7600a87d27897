/* redact_forms.h - the ways in which a secret may be written: as it is, base64 (at each alignment,
 * in both alphabets), hex, URL- and JSON-escaped as the usual encoders do it. base/redact looks for
 * them. [SEC-4] */
#ifndef AIRLOCK_BASE_REDACT_FORMS_H
#define AIRLOCK_BASE_REDACT_FORMS_H

#include <stdbool.h>
#include <stddef.h>

#define REDACT_VALUE_MIN 8 /* bytes; a shorter form is left out, too */
#define REDACT_VALUE_MAX 512
#define REDACT_FORMS_MAX 32 /* before doubles are dropped */
/* The longest has every byte as \u00XX. */
#define REDACT_FORMS_BYTES ((size_t)REDACT_FORMS_MAX * 6 * REDACT_VALUE_MAX)

struct redact_form {
    size_t at, len; /* in the arena */
    bool wraps;     /* base64: line ends may stand between its characters */
};

/* Begin with { .arena = … }. */
struct redact_forms {
    char *arena; /* the caller's: REDACT_FORMS_BYTES */
    size_t arena_len;
    struct redact_form form[REDACT_FORMS_MAX];
    size_t count;
};

/* All forms of `v`, which has REDACT_VALUE_MIN to REDACT_VALUE_MAX bytes of printable ASCII. They
 * are written straight to the arena: no copy of the secret is left anywhere else. */
void redact_forms_write(struct redact_forms *f, const char *v, size_t len);

#endif
