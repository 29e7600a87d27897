/* export_html.h - foreign text as the text of a page: escaped, cleaned, marks and colours as
 * classes. */
#ifndef AIRLOCK_CLI_EXPORT_HTML_H
#define AIRLOCK_CLI_EXPORT_HTML_H

#include "cli/export.h"
#include "ui/highlight.h"

/* Only the five characters that mean something in HTML, in text and in quoted values alike. */
void html_escape(struct outfile *out, const char *p, size_t len);
/* One line, without its LF. `walk` (may be NULL) gives the colours of code; the line begins at
 * `at` of what it walks along. */
void html_line(struct export *x, const char *line, size_t len, enum text_mode mode, bool had_lf,
               struct highlight_walk *walk, size_t at);
/* Lines, with theirs. */
void html_text(struct export *x, const char *p, size_t len, enum text_mode mode);
void html_str(struct export *x, const char *s); /* prose on one line; LFs become blanks */
/* Numbered by the style sheet. */
void html_code(struct export *x, const char *language, const char *code, size_t len);

#endif
