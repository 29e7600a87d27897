/* e2b_image.h - what stands behind `e2b:` on the command line: "TEMPLATE[,OPTION=VALUE…]".
 *
 *   snapshots=N   keep a snapshot of each of the last N runs (1 … 64): files and memory, to go back
 *                 to, to fork from, to resume from. They stay at E2B until they are deleted.
 */
#ifndef AIRLOCK_SANDBOXES_E2B_IMAGE_H
#define AIRLOCK_SANDBOXES_E2B_IMAGE_H

#include "base/err.h"

struct e2b_image {
    char template[129]; /* E2B_TEMPLATE when none is named */
    unsigned snapshots; /* 0: none */
};

/* `image` may be NULL. ERR_USAGE names what is wrong. */
int e2b_image_read(struct e2b_image *out, const char *image, struct err *e) MUST_CHECK;

#endif
