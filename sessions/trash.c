/* trash.c - the record decides what may be erased, not the list. */
#include "sessions/trash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* The session file goes last: as long as it stands, it can be erased again. */
static int remove_files(const char *path, struct err *e)
{
    static const char *const endings[] = { "head", "db-shm", "db-wal", "db.gz", "db" };
    int stem = (int)strlen(path) - 3;
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        char *name = xasprintf("%.*s.%s", stem, path, endings[i]);
        unlink(name); /* most of them are not there */
        free(name);
    }
    return access(path, F_OK) == 0 ? err_set(e, ERR_IO, "%s can't be removed", path) : 0;
}

int trash_erase(const char *path, int64_t before_us, struct err *e)
{
    int stem = (int)strlen(path) - 3, fd = -1;
    char *lock = xasprintf("%.*s.lock", stem, path);
    int rc = lock_take(lock, &fd, e);
    if (rc == 0)
        rc = check_trashed(path, before_us, e);
    if (rc == 0)
        rc = remove_files(path, e);
    lock_drop(lock, fd);
    free(lock);
    return rc;
}

/* Anchors would say that there were events once. */
static bool was_anchored(const char *path, int stem)
{
    struct stat st;
    char *head = xasprintf("%.*s.head", stem, path);
    bool is = stat(head, &st) == 0 && st.st_size > 0;
    free(head);
    return is;
}

bool trash_erase_unborn(const char *path)
{
    struct err ignored = ERR_INIT;
    struct store *s = NULL;
    int stem = (int)strlen(path) - 3, fd = -1;
    char *lock = xasprintf("%.*s.lock", stem, path);
    bool erased = false;
    if (!lock_is_held(lock) && lock_take(lock, &fd, &ignored) == 0 && !was_anchored(path, stem) &&
        store_open_read(&s, path, &ignored) == 0) {
        bool empty = store_last_seq(s) == 0;
        store_close(s);
        erased = empty && remove_files(path, &ignored) == 0;
    }
    lock_drop(lock, fd);
    free(lock);
    return erased;
}
