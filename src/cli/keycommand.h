/* keycommand.h - keys from a program of the person's (`pass`, a keyring), named in the
 * configuration as `anthropic.key_command`, `openai.key_command`, `e2b.key_command`. Such a program
 * wins over the environment; it is asked once, when who uses the key is. [SEC-1, SEC-3] */
#ifndef AIRLOCK_CLI_KEYCOMMAND_H
#define AIRLOCK_CLI_KEYCOMMAND_H

#include "cli/app.h"

/* `user`: a planner's or sandbox's name, with or without ":…". Nothing to do for who uses no key,
 * or has no such program. It is started without a shell, in the environment of host helpers; the
 * first call before anything is drawn lets it have the terminal. ERR_MISSING: it fails, takes a
 * minute, or what it prints is no key (8 to 512 printable ASCII characters, one line end behind
 * them). */
int key_command_ask(struct app *app, const char *user, struct err *e) MUST_CHECK;
/* For whom this command line asks, before its command begins. */
int key_command_ask_first(struct app *app, const struct command *cmd, struct err *e) MUST_CHECK;

#endif
