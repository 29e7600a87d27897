/* screen_list.h - what the files of the list of sessions share. */
#ifndef AIRLOCK_CLI_SCREEN_LIST_H
#define AIRLOCK_CLI_SCREEN_LIST_H

#include "cli/screen_int.h"

/* ---- screen_list.c ---- */
const struct view_session *list_selected(const struct screen *s); /* NULL: none; lent by the rows */
size_t list_find_mark(const struct screen *s, const char *id);    /* mark_count: it is not marked */
/* All rows again, at most `limit` (0: all). An unfinished filter leaves them as they are. */
void list_fill(struct screen *s, size_t limit, bool refresh);

/* ---- screen_list_change.c ---- */
bool list_is_ours(const struct screen *s, const char *id); /* the one open here */
void list_toggle_mark(struct screen *s);
void list_drop_marks(struct screen *s);
/* The marked ones, else the selected. */
void list_delete_some(struct screen *s);
void list_undelete_some(struct screen *s);
void list_archive_some(struct screen *s);
void list_forget_deleted(struct screen *s);

/* ---- screen_program.c ---- */
void list_compare_marked(struct screen *s);
void list_rerun_some(struct screen *s);

#endif
