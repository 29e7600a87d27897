/* http.h - the words of HTTP, without its transport: request targets, header fields, Retry-After.
 * All pure; nothing from outside is trusted. [NET-2, NET-5] */
#ifndef AIRLOCK_BASE_HTTP_H
#define AIRLOCK_BASE_HTTP_H

#include "base/buf.h"

/* A method or header name: RFC 9110 token, 1–64 characters. */
bool http_is_token(const char *s);
/* A header value: printable ASCII, space, tab and bytes ≥ 0x80, hence no CR, LF or NUL; no blank
 * at either end. */
bool http_is_field_value(const char *s, size_t len);

/* Is a header of this name likely to hold a key ("Authorization", "X-Gateway-Token")? */
bool http_is_secret_name(const char *s);

#define HTTP_NAME_MAX 64
/* The next of some lines "Name: value": blanks around both are left out, empty lines skipped; a
 * line without a colon has no name. Lent from *lines, which moves on. False at the end. */
struct http_line {
    const char *name, *value;
    size_t name_len, value_len;
};
bool http_next_line(const char **lines, struct http_line *out);

/* Build a target ("/v1/files/a%20b?path=x") from parts: "/" + the segment percent-encoded. -1 when
 * it is empty, "." or "..", or when the buf is full. */
int http_add_segment(struct buf *target, const char *segment);
/* "?name=value" or "&name=value", both percent-encoded (everything but unreserved characters). */
int http_add_query(struct buf *target, const char *name, const char *value);
/* Starts with "/", only characters a target may hold, whole %XX, no "." or ".." segment (encoded
 * ones included), no fragment. */
bool http_is_target(const char *s);

/* A run of digits and nothing else; values above `max` become max. -1: it is no such number. */
int64_t http_number(const char *s, int64_t max);
/* An HTTP date in any of its three forms, in microseconds since 1970; -1 when it is none. */
int64_t http_date_us(const char *s);
/* Retry-After as seconds or date: milliseconds from now, 0 … one day; -1 when it is neither. */
int64_t http_retry_after_ms(const char *value, int64_t now_wall_us);

#endif
