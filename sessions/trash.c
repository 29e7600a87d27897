/* trash.c - the record decides what may be erased, not the list. */
#include "sessions/trash.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sessions/sidecar.h"
#include "sessions/store.h"

static int note_trashed(void *arg, const struct event *ev)
{
    int64_t *at_us = arg;
    *at_us = json_get_bool(ev->body, "restored", false) ? 0 : ev->at_us;
    return 0;
}

static int check_trashed(const char *path, int64_t before_us, struct err *e)
{
    struct store *s = NULL;
    int64_t at_us = 0;
    int rc = store_open_read(&s, path, e);
    if (rc == 0)
        rc = store_each_of(s, UINT64_C(1) << EVENT_SESSION_TRASHED, 1, 0, note_trashed, &at_us, e);
    if (rc == 0 && at_us == 0)
        rc = err_set(e, ERR_DENIED, "session %s is not in the trash", store_id(s));
    if (rc == 0 && at_us > before_us)
        rc = err_set(e, ERR_DENIED, "session %s is not that long in the trash", store_id(s));
    store_close(s);
    return rc;
}

int trash_erase(const char *path, int64_t before_us, struct err *e)
{
    /* The session file goes last: as long as it stands, it can be erased again. */
    static const char *const endings[] = { "head", "db-shm", "db-wal", "db.gz", "db" };
    int stem = (int)strlen(path) - 3, fd = -1;
    char *lock = xasprintf("%.*s.lock", stem, path);
    int rc = lock_take(lock, &fd, e);
    if (rc == 0)
        rc = check_trashed(path, before_us, e);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(endings); i++) {
        char *name = xasprintf("%.*s.%s", stem, path, endings[i]);
        unlink(name); /* most of them are not there */
        free(name);
    }
    if (rc == 0 && access(path, F_OK) == 0)
        rc = err_set(e, ERR_IO, "%s can't be removed", path);
    lock_drop(lock, fd);
    free(lock);
    return rc;
}
