/* rule_text.h - how examples are written in share/review/. */
#ifndef AIRLOCK_TOOL_RULE_TEXT_H
#define AIRLOCK_TOOL_RULE_TEXT_H

#include "base/buf.h"

/* `\n`, `\t`, `\\`, `\xNN` of an example, and `\*9a` for nine a. Appended as far as it fits. */
void example_decode(const char *text, struct buf *out);

#endif
