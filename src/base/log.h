/* log.h - our own JSON-lines log in the state directory; stderr belongs to the screen.
 * Every line goes through the redactor. Off until log_open. Never blocks for long; errors are
 * dropped. */
#ifndef AIRLOCK_BASE_LOG_H
#define AIRLOCK_BASE_LOG_H

#include "err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

int log_open(const char *path, enum log_level up_to,
             struct err *e) MUST_CHECK; /* append, 0600, rotated at 4 MiB */
void log_close(void);
void log_msg(enum log_level level, const char *module, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
