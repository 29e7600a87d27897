/* text.h - what foreign bytes look like in cells: cleaning, widths, graphemes, wrapping. The only
 * file with utf8proc behind it. [architecture §2 "Text rule", SAN-1…6, APR-7]
 *
 * Everything that reaches a grid goes through struct text_iter, one line at a time: it turns bytes
 * into glyphs (one cell each, or two for wide characters) none of which is a control, bidi,
 * zero-width, unassigned or ill-formed character. There is no emulator behind it: a line's glyphs
 * depend on the bytes of that line only, never on how they arrived. Only what is drawn is cleaned;
 * printable ASCII has a path of its own.
 *
 *   TEXT_CODE    code pane, gate, raw view (X), prompt: injective. Every byte is visible, SGR too;
 *                confusable characters are marked, runs of > 32 blanks are counted.
 *   TEXT_OUTPUT  program output: SGR is parsed, clamped (16 colours, bold, underline) and ends with
 *                the line; a CR shows only what follows the last one, with a mark `⟲n`.
 *   TEXT_PROSE   everything else (messages, names, paths, errors): as output, but no SGR and a CR
 *                is shown as ^M.
 */
#ifndef AIRLOCK_UI_TEXT_H
#define AIRLOCK_UI_TEXT_H

#include "base/buf.h"

enum text_mode { TEXT_CODE, TEXT_OUTPUT, TEXT_PROSE };

/* Why a glyph does not look like its byte: chooses its style (ui/cell.h text_style). */
enum text_mark {
    MARK_NONE,
    MARK_CONTROL,    /* ^M ^[ : reverse video */
    MARK_HIDDEN,     /* <U+200B> bidi, zero-width, tags, odd spaces: red; the line is flagged */
    MARK_INVALID,    /* <0xC0> */
    MARK_CONFUSABLE, /* looks like another character (code only); the line is flagged */
    MARK_BLANK,      /* a TAB's arrow, a CR before LF, `<40 spaces>`: dim */
    MARK_COUNT,      /* ⟲n, …(+n bytes), <+n marks>: dim */
    MARK_JOINED,     /* stands for a joined cluster (ZWJ, flags) in output */
};

#define TEXT_MARKS_MAX 4 /* combining marks drawn on one base */

/* SGR as far as we let it through. Colours: 0 default, 1–16 = ANSI 0–15. */
struct text_sgr {
    uint8_t fg, bg;
    bool bold, underline;
};

/* One cell (width 1) or two (width 2). */
struct text_glyph {
    uint32_t cp[1 + TEXT_MARKS_MAX]; /* base and combining marks */
    uint8_t count, width;
    enum text_mark mark;
    struct text_sgr sgr;
    size_t start, end; /* bytes of the line; of an expansion only the last glyph has end > start */
};

/* A walk over one line (no LF inside; a LF met anyway is shown as ^J). Plain data: copy it to come
 * back later. The bytes are borrowed. */
struct text_iter {
    const char *line;
    size_t len, pos;
    enum text_mode mode;
    bool ascii;       /* not a UTF-8 terminal: all else as <U+XXXX> [TTY-5] */
    size_t column;    /* of the unwrapped line, for tabs */
    size_t overdrawn; /* ⟲n still to be shown at the end */
    bool cr_tail;     /* the line ended in CR LF: ␍ is due (code) */
    struct text_sgr sgr;
    size_t payload_left, payload_end; /* of an OSC/DCS/APC/PM/SOS string; 0 none */
    size_t token_end;                 /* the word whose scripts were judged ends here */
    bool token_mixed;
    /* an expansion being shown, cell by cell */
    char pending[40];
    uint8_t pending_pos, pending_len;
    enum text_mark pending_mark;
    size_t pending_start, pending_end;
};

/* `line` without its LF. `had_lf`: it was there (a CR right before it is then an old line end). */
void text_begin(struct text_iter *it, const char *line, size_t len, enum text_mode mode,
                bool had_lf);
bool text_next(struct text_iter *it, struct text_glyph *g);

/* ---- wrapping: rows of `width` columns, broken between cells; never truncated ---- */

/* Walk one row: calls text_next until `width` columns are full or the line ends. Fills at most
 * `max` glyphs (max ≥ width is always enough); returns how many. *more = the line goes on. A glyph
 * wider than `width` becomes U+FFFD of one column, so a row always makes progress. */
size_t text_row(struct text_iter *it, size_t width, struct text_glyph *out, size_t max, bool *more);
/* Skip `rows` rows without making glyphs of plain ASCII; returns how many there were to skip. After
 * it the iterator stands at the start of the next row (or at the end). */
size_t text_skip_rows(struct text_iter *it, size_t width, size_t rows);
bool text_at_end(const struct text_iter *it);
/* Rows a line takes at `width` (≥ 1, also when empty). */
size_t text_count_rows(const char *line, size_t len, enum text_mode mode, bool had_lf,
                       size_t width);

/* ---- whole strings ---- */

/* The function of the text rule: append the cleaned form of one line as plain UTF-8 (no styles) to
 * `out`. 0, or -1 when out is full. For --plain, copy, logs, messages. */
int text_clean(struct buf *out, const char *line, size_t len, enum text_mode mode, bool had_lf,
               bool ascii);
/* From now on these and streams name whatever is not ASCII: lines go to a terminal with another
 * character set, where the bytes of a letter may be controls. (A grid has `ascii`.) [TTY-5] */
void text_set_ascii_only(bool on);
/* The same for many lines. LFs are kept. */
int text_clean_lines(struct buf *out, const char *p, size_t len, enum text_mode mode, bool ascii);

/* One code point as UTF-8. 0, or -1 when out is full. */
int text_add_cp(struct buf *out, uint32_t cp);

/* Columns the text takes when drawn in `mode` on one endless row. */
size_t text_width(const char *s, size_t len, enum text_mode mode);
/* Width of one printable code point: 0 (combining), 1 or 2. */
unsigned text_cp_width(uint32_t cp);
/* Would the cleaner let it through as it is? The SAN-1 oracle: no cell ever holds anything else. */
bool text_cp_is_safe(uint32_t cp);
/* Byte length of the grapheme cluster at s (≥ 1 while len > 0): for cursor moves. */
size_t text_grapheme(const char *s, size_t len);
/* Bytes of the longest prefix (whole clusters) that fits `columns`; its columns in *used. */
size_t text_fit(const char *s, size_t len, size_t columns, enum text_mode mode, size_t *used);

/* Does a line of code hold something that is flagged in the gutter? */
bool text_line_is_flagged(const char *line, size_t len);

/* ---- a stream that is printed as it comes (--plain, `exec` on a tty): whole lines are cleaned,
 * the rest is held back, at most TEXT_PIECE_MAX bytes. Any split of the same bytes gives the same
 * text. [SAN-2] ---- */
#define TEXT_PIECE_MAX ((size_t)64 << 10)
struct text_stream {
    struct buf held;
    enum text_mode mode;
    bool ascii;
};
void text_stream_init(struct text_stream *s, enum text_mode mode, bool ascii);
int text_stream_feed(struct text_stream *s, const char *p, size_t len, struct buf *out);
int text_stream_end(struct text_stream *s, struct buf *out); /* the last line, LF added if none */
void text_stream_release(struct text_stream *s);

#endif
