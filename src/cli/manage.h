/* manage.h - what a person does to saved sessions beside opening them: naming, tagging, the trash,
 * the archive. The shell (`airlock sessions …`) and the screen's list share it. */
#ifndef AIRLOCK_CLI_MANAGE_H
#define AIRLOCK_CLI_MANAGE_H

#include "cli/app.h"

/* `word` as everywhere: id, prefix, name, last. Each change is an event in the session's file and
 * is on disk when it returns; an archived session is archived again afterwards. ERR_BUSY when it is
 * open somewhere, ERR_USAGE, ERR_MISSING. */
int manage_rename(struct app *app, const char *word, const char *name, struct err *e) MUST_CHECK;
int manage_tag(struct app *app, const char *word, const char *const *tags, size_t count,
               struct err *e) MUST_CHECK;
int manage_trash(struct app *app, const char *word, bool restore, struct err *e) MUST_CHECK;
int manage_archive(struct app *app, const char *word, bool back, struct err *e) MUST_CHECK;
/* Erase one that lies in the trash. ERR_DENIED when it does not. */
int manage_purge(struct app *app, const char *word, struct err *e) MUST_CHECK;
/* Erase what has been in the trash for longer than `sessions.trash_days`. Quiet: what can't be
 * erased now is tried the next time. Returns how many went. */
size_t manage_purge_expired(struct app *app);

/* Are these a name / a tag? ERR_USAGE says what is wrong. */
int manage_check_name(const char *name, struct err *e) MUST_CHECK;
int manage_check_tag(const char *tag, size_t len, struct err *e) MUST_CHECK;
/* "for 30 days" / "for ever": how long the trash keeps. */
void manage_put_retention(const struct app *app, struct buf *out);

#endif
