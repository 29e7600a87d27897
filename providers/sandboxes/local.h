/* local.h - the local sandbox's own doors beside sandbox_ops. */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_H

#include "providers/sandbox.h"

/* A directory (copied) that no mount may show, besides home's dot directories and the XDG ones: the
 * one of --data. At most three; further calls replace the last. */
void local_keep_private(const char *dir);

#endif
