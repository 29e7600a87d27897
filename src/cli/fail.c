/* fail.c - how a command tells that it failed: one cleaned line on stderr and the exit code of
 * interface.md. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "ui/text.h"

int exit_code_of(const struct err *e)
{
    switch (e->code) {
    case ERR_USAGE:
        return EXIT_USAGE;
    case ERR_MISSING:
    case ERR_NET:
    case ERR_BUSY:
        return EXIT_MISSING;
    case ERR_DENIED:
        return EXIT_WAS_DENIED;
    case ERR_INTEGRITY:
        return EXIT_INTEGRITY;
    case ERR_LIMIT:
        return EXIT_LIMIT;
    case ERR_CANCELLED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_WORK_FAILED;
    }
}

int app_fail(const struct err *e)
{
    struct buf line = BUF_INIT(8 << 10), told = BUF_INIT(8 << 10);
    const struct redact *secrets = redact_global();
    if (e->msg[0] == '\0')
        return exit_code_of(e); /* it was said before */
    /* A server may have sent the key back in its words. [SEC-4] */
    if (secrets == NULL || redact_text(secrets, e->msg, strlen(e->msg), &told) < 0)
        (void)buf_add_str(&told, e->msg);
    (void)buf_add_str(&line, "airlock: ");
    (void)text_clean(&line, buf_str(&told), told.len, TEXT_PROSE, false, false);
    buf_release(&told);
    fprintf(stderr, "%s\n", buf_str(&line));
    buf_release(&line);
    return exit_code_of(e);
}

static int cut_short(int error)
{
    static bool told;
    struct err e = ERR_INIT;
    if (error != EPIPE && !told) {
        err_set(&e, ERR_IO, "what was to be printed is cut short: %s", strerror(error));
        app_fail(&e);
    }
    told = true;
    return -1;
}

int app_print(const char *p, size_t len)
{
    return write_all_fd(STDOUT_FILENO, p, len) < 0 ? cut_short(errno) : 0;
}

int app_print_failed(struct err *e)
{
    return err_set(e, ERR_IO, "%s", "");
}

int app_print_end(void)
{
    if (fflush(stdout) != 0)
        return cut_short(errno);
    return ferror(stdout) ? cut_short(EIO) : 0;
}
