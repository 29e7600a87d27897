/* json.h - strict JSON (cJSON behind it) and an exact writer.  [threats RES-3]
 *
 * Reading refuses what cJSON would let through: bytes behind the document, a BOM, invalid UTF-8,
 * raw control bytes, \u0000, lone surrogates, duplicate or case-variant keys in one object, depth
 * over 64, more than 200 000 nodes. Look-ups are case-sensitive. Getters name the path that was
 * wrong. Integers are exact within int64 (beyond 2^53 they are refused as numbers: ids and money
 * are strings).
 *
 * Writing goes straight into a buf, so what is stored is what was hashed.
 */
#ifndef AIRLOCK_BASE_JSON_H
#define AIRLOCK_BASE_JSON_H

#include "buf.h"

struct json; /* a value; the root owns all, members are lent until json_free(root) */

#define JSON_DEPTH_MAX 64
#define JSON_NODES_MAX 200000

/* ERR_FORMAT (with byte offset) or ERR_LIMIT. Release with json_free. */
int json_parse(struct json **out, const char *ptr, size_t len, struct err *e) MUST_CHECK;
void json_free(struct json *root); /* NULL is fine */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum json_kind json_kind(const struct json *v);

/* Member by exact key, NULL when absent, `null`, or when `o` is no object (or NULL). */
const struct json *json_get(const struct json *o, const char *key);
size_t json_len(const struct json *v); /* items of an array or object */
const struct json *json_at(const struct json *a,
                           size_t index);        /* array or object by position; NULL past it */
const char *json_key(const struct json *member); /* key of an object's member */

/* Iterate without O(n^2): for (m = json_first(v); m; m = json_next(m)) */
const struct json *json_first(const struct json *v);
const struct json *json_next(const struct json *m);

/* Value as a type: lent, or the default when absent or of another type. */
const char *json_str(const struct json *v, const char *dflt);
int64_t json_int(const struct json *v, int64_t dflt);
double json_num(const struct json *v, double dflt);
bool json_bool(const struct json *v, bool dflt);

/* Shorthand for json_str(json_get(o, key), dflt) and friends. */
const char *json_get_str(const struct json *o, const char *key, const char *dflt);
int64_t json_get_int(const struct json *o, const char *key, int64_t dflt);
bool json_get_bool(const struct json *o, const char *key, bool dflt);

/* Required members: ERR_FORMAT "<where>.<key>: missing / not a string". */
int json_need_str(const struct json *o, const char *where, const char *key, const char **out,
                  struct err *e) MUST_CHECK;
int json_need_int(const struct json *o, const char *where, const char *key, int64_t min,
                  int64_t max, int64_t *out, struct err *e) MUST_CHECK;

/* Print `v` compactly. */
int json_print(const struct json *v, struct buf *out);

/* Append JSON text that was checked before, with the characters that the writer escapes (below)
 * escaped, and DEL. 0, or -1 when out is full. */
int json_add_shown(struct buf *out, const char *json, size_t len);
/* From now on everything beyond ASCII is escaped, in all JSON that is written: it goes to a
 * terminal with another character set. [TTY-5] */
void json_write_ascii_only(bool on);

/* ---- writer: commas and nesting are kept for you; misuse is an INVARIANT. Keys are ASCII
 * literals. Characters that steer a terminal, or hide or turn text around, are written as \u
 * escapes. Returns nothing: a full buf is remembered and told by json_w_end(). ---- */
struct json_w {
    struct buf *b;
    uint64_t arrays; /* bit n: what is open at depth n is an array */
    unsigned depth;  /* at most JSON_DEPTH_MAX */
    bool need_comma, failed, done;
};
void json_w_init(struct json_w *w, struct buf *b); /* appends to b */
int json_w_end(struct json_w *w);                  /* 0, or -1 when the buf was too small */

/* key NULL inside arrays and for the root. */
void json_w_object(struct json_w *w, const char *key);
void json_w_array(struct json_w *w, const char *key);
void json_w_close_object(struct json_w *w);
void json_w_close_array(struct json_w *w);
void json_w_str(struct json_w *w, const char *key, const char *s); /* s NULL: null */
void json_w_strn(struct json_w *w, const char *key, const char *s,
                 size_t len); /* bad UTF-8 and NUL become U+FFFD */
/* An array of its lines, without the empty ones. */
void json_w_lines(struct json_w *w, const char *key, const char *text);
void json_w_int(struct json_w *w, const char *key, int64_t n);
void json_w_double(struct json_w *w, const char *key,
                   double d); /* shortest that round-trips; non-finite: null */
void json_w_bool(struct json_w *w, const char *key, bool v);
void json_w_null(struct json_w *w, const char *key);
void json_w_base64(struct json_w *w, const char *key, const void *p, size_t len);
void json_w_raw(struct json_w *w, const char *key, const char *json,
                size_t len); /* trusted JSON text */
void json_w_value(struct json_w *w, const char *key, const struct json *v);
/* "text": s when valid UTF-8 without NUL, else "base64": … (the rule of run.output / run.result) */
void json_w_text_or_base64(struct json_w *w, const char *text_key, const char *base64_key,
                           const void *p, size_t len);

/* Base64 (RFC 4648, padded). Decode is strict: ERR_FORMAT on any other byte or wrong padding. */
int base64_encode(struct buf *out, const void *p, size_t len);
int base64_decode(struct buf *out, const char *s, size_t len, struct err *e) MUST_CHECK;

const char *json_library_version(void); /* "1.7.15", static */

#endif
