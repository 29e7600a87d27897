/* fail.c - how a command tells that it failed: one cleaned line on stderr and the exit code of
 * interface.md. */
#include <stdio.h>
#include <string.h>

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
