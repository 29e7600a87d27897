/* local.h - the local sandbox's own doors beside sandbox_ops: for tests and benches. */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_H

#include "providers/sandbox.h"

/* Is a warm sandbox there and ready to be adopted? */
bool local_is_warm(void);

#endif
