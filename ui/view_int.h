/* view_int.h - what the view_*.c files share with each other and nobody else. */
#ifndef AIRLOCK_UI_VIEW_INT_H
#define AIRLOCK_UI_VIEW_INT_H

#include "ui/doc.h"
#include "ui/highlight.h"
#include "ui/view.h"

/* One picture being drawn. */
struct view {
    const struct state *st;
    const struct view_model *vm;
    struct grid *g;
    struct view_info *info;
    const struct layout *l;
    struct text_glyph *glyphs; /* room for one row */
    size_t glyph_max;
};

#define SYM(v, s) grid_symbol((v)->g, (s))

/* ---- titles: `┌2 Code ─ python ─ attempt 3 ──── 1-8/8┐`; what does not fit goes from the right
 * ---- */
struct title {
    struct {
        char text[112];
        enum style_role role;
    } piece[10];
    size_t count;
    char right[48];
};
void title_add(struct title *t, enum style_role role, const char *fmt, ...) PRINTF_LIKE(3, 4);
void title_right(struct title *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void view_title(const struct view *v, enum view_pane pane, const struct title *t);

/* ---- the panes; each draws title and contents of its place in the layout ---- */
void view_draw_status(const struct view *v);
void view_draw_prompt(const struct view *v);
void view_draw_hints(const struct view *v);
void view_draw_bar(const struct view *v); /* of a replay, where the prompt is */
void view_draw_plan(const struct view *v);
void view_draw_code(const struct view *v);
void view_draw_output(const struct view *v, enum view_pane pane);
void view_draw_gate(const struct view *v);
void view_draw_timeline(const struct view *v);
void view_draw_state(const struct view *v);
void view_draw_notes(const struct view *v);
void view_draw_record(const struct view *v);
void view_draw_results(const struct view *v, struct rect r);
void view_draw_sessions(const struct view *v);
void view_draw_help(const struct view *v);
void view_draw_context(const struct view *v);
/* Of `full` rows inside the frame, those above the text: sums, list, a line between. */
int view_context_rows(const struct view_model *vm, int full);
/* The frame of a whole screen; returns what is inside. */
struct rect view_frame(const struct view *v, const char *title, const char *right);
void view_draw_page(const struct view *v);
void view_page_move(struct view_page *page, enum view_move m, size_t rows, int height);
void view_draw_message(const struct view *v); /* toast or question, over the hints */
void view_draw_candidates(const struct view *v);

/* ---- documents, with or without a cache ---- */
enum doc_slot { SLOT_CODE, SLOT_OUT, SLOT_ERR, SLOT_COUNT };
struct doc_view {
    struct doc doc;
    struct highlight code_colors, base_colors;
    bool colored, owned;
};
/* Document of the code pane; NULL when there is no code. Give back with view_put_doc(). */
struct doc_view *view_get_code(const struct state *st, const struct view_model *vm);
/* Compared outputs; NULL when there is nothing to compare. */
struct doc_view *view_get_output_diff(const struct state *st, const struct view_model *vm,
                                      enum view_pane pane);
/* The document kept under `key` (which names all it depends on), or an empty one to fill. */
struct doc_view *view_doc_slot(const struct view_model *vm, enum doc_slot slot, const char *key,
                               bool *fresh);
void view_put_doc(const struct view_model *vm, struct doc_view *d);
bool view_code_is_compared(const struct state *st, const struct view_model *vm);
bool view_output_is_compared(const struct state *st, const struct view_model *vm);
/* Does the code pane show the gate's code (so that seeing it counts)? */
bool view_code_is_gates(const struct state *st, const struct view_model *vm);

/* Geometry of a document pane. */
struct doc_box {
    struct rect r;    /* of the rows */
    int gutter;       /* columns before the text */
    int number_width; /* of them; 0: no numbers */
    size_t width;     /* of the text */
};
struct doc_box view_doc_box(const struct layout *l, enum view_pane pane, const struct doc *d,
                            bool numbers);
struct doc_at view_doc_start(const struct doc *d, const struct view_scroll *s,
                             const struct doc_box *box);

/* What the rows that were drawn covered, in bytes of the new text; extras behind it. */
struct doc_seen {
    size_t from, to;
    uint32_t first_line, last_line;
    bool at_end;
    bool any;
};
void view_draw_doc(const struct view *v, struct doc_view *d, const struct doc_box *box,
                   enum view_pane pane, const struct state_run *run, struct doc_seen *seen);

/* Over one drawn row (its glyphs in v->glyphs, at columns xs): the selection and search hits. */
void view_paint_hits(const struct view *v, enum view_pane pane, struct rect row, const char *text,
                     size_t len, uint64_t anchor, const int *xs, size_t n);

/* ---- program output by offset (view_lines.c) ---- */
#define LINES_PIECE ((uint64_t)64 << 10) /* a longer line is shown in pieces of about this */
struct lines {
    const struct state_output *out;
    const struct output_source *source;
    uint32_t run;
    unsigned stream;
    char *window; /* bytes got from the source */
    uint64_t window_at;
    size_t window_len;
    bool broken; /* the source failed */
};
void lines_open(struct lines *ln, const struct state_output *out, const struct output_source *src,
                uint32_t run, unsigned stream);
void lines_close(struct lines *ln);
/* The piece that starts at `at`: lent until the next call. False at the end. */
struct piece {
    uint64_t start, next; /* next = where the next piece starts */
    const char *p;
    size_t len; /* without LF */
    bool lf;
};
bool lines_get(struct lines *ln, uint64_t at, struct piece *out);
uint64_t lines_start(struct lines *ln, uint64_t at);    /* start of the piece `at` lies in */
uint64_t lines_number(struct lines *ln, uint64_t at);   /* 0-based line */
uint64_t lines_offset(struct lines *ln, uint64_t line); /* of its start */
/* At most `len` bytes at `at`, in one stretch; lent. */
const char *lines_bytes(struct lines *ln, uint64_t at, size_t *len);

struct line_at {
    uint64_t offset;
    size_t row;
};
struct line_at lines_move(struct lines *ln, struct line_at at, long rows, size_t width,
                          enum text_mode mode);
struct line_at lines_bottom(struct lines *ln, size_t height, size_t width, enum text_mode mode);
struct line_at view_lines_start(struct lines *ln, const struct view_scroll *s, size_t height,
                                size_t width, enum text_mode mode);
/* Rows the results take at the bottom of the out pane. */
int view_result_rows(const struct state *st, const struct view_model *vm, struct rect inner);
struct rect view_output_rect(const struct state *st, const struct view_model *vm,
                             const struct layout *l, enum view_pane pane);

/* Where sessions and help are listed, frame included: all panes' room but an open gate's. */
struct rect view_full_rect(const struct state *st, const struct layout *l);

/* ---- small things ---- */
/* First place of `needle` in hay; needle all lower-case matches both cases. SIZE_MAX: none. */
size_t view_find(const char *hay, size_t len, const char *needle, size_t needle_len);
/* "1.2 kB"; "$0.031"; "04:12"; "12 s". */
void view_bytes(uint64_t n, char *out, size_t size);
void view_money(int64_t nanousd, char *out, size_t size);
void view_clock(int64_t us, char *out, size_t size);
void view_span(int64_t ms, char *out, size_t size);
/* How a run stands: glyph, words, role. */
struct run_words {
    enum symbol glyph;
    enum style_role role;
    char text[96];
};
void view_run_words(const struct state_run *r, struct run_words *out);
enum style_role view_severity_role(enum finding_severity s);
/* Draw a scrolling list: first item so that `selected` is visible. */
void view_draw_hits(const struct view *v);
size_t view_list_first(size_t count, size_t rows, uint64_t top, int64_t selected);

/* ---- view_start.c ---- */

/* As view_search(), in the help; `r` is the inside of its frame. */
enum view_found view_search_help(struct view_model *vm, struct rect r, int dir);

/* ---- view_bottom.c ---- */

/* Where the keys would go (KEYMAP_IN_…) if `screen` were what is shown. */
unsigned view_place(const struct view_model *vm, enum view_screen screen);

#endif
