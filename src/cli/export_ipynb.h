/* export_ipynb.h - what the parts of the notebook's writer share. */
#ifndef AIRLOCK_CLI_EXPORT_IPYNB_H
#define AIRLOCK_CLI_EXPORT_IPYNB_H

#include "cli/export.h"

#define CELL_MAX ((size_t)96 << 20)

struct notebook {
    struct export *x;
    struct outfile *out;
    struct buf text; /* prose of the cell at hand */
    size_t cells;
    const char *language;
};

void nb_put(struct notebook *nb, const char *s);
/* A JSON string without its quotes: cleaned text goes out in pieces. */
void nb_put_piece(struct notebook *nb, const char *p, size_t len);
void nb_put_string(struct notebook *nb, const char *s);
/* Text from outside, as a JSON string. */
void nb_put_cleaned(struct notebook *nb, const char *p, size_t len, enum text_mode mode);

/* The elements of `outputs`. */
void nb_put_outputs(struct notebook *nb, const struct state_run *r);

#endif
