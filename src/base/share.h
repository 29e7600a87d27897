/* share.h - the data files of share/ (kernels, runbooks, review rules, themes) compiled into the
 * binary, so that what runs inside a sandbox or judges code can't be swapped on disk. Generated
 * from the tree by the Makefile. */
#ifndef AIRLOCK_BASE_SHARE_H
#define AIRLOCK_BASE_SHARE_H

#include <stddef.h>

struct share_file {
    const char *name; /* relative to share/: "kernels/python/kernel.py" */
    const char *ptr;
    size_t len;
};

const struct share_file *share_find(const char *name);
const struct share_file *share_list(size_t *count); /* sorted by name */

#endif
