/* secrets.h - keys and settings of providers, from the environment.
 *
 * The values of keys are moved out of the environment by the first lines of main: what is forked or
 * executed later has neither the variables nor, in its copy of our memory, their bytes. [SEC-1,
 * SEC-3, SEC-6]
 */
#ifndef AIRLOCK_CLI_SECRETS_H
#define AIRLOCK_CLI_SECRETS_H

#include "base/redact.h"

/* Once, before anything is forked. */
void secrets_take(void);
/* A key, or another setting by its name; NULL when it is not set. Lent for ever. Fits
 * planner_config.setting; `arg` is not used. */
const char *secrets_setting(void *arg, const char *name);
/* A key from elsewhere, in the place of the environment's. `name` is one of them; the bytes are
 * printable, at most 512, and copied. */
void secrets_put(const char *name, const char *value, size_t len);
/* Make every key known to the redactor. Values that can't be keys are left out: their user is told
 * when one is needed. */
void secrets_add_to(struct redact *r);

#endif
