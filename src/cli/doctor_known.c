/* doctor_known.c - versions of what Airlock is made of, against a list of those known to be bad:
 * share/doctor/known-bad.json. A distribution mends an old version and keeps its number, so its own
 * version counts where it is known. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/net.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/share.h"
#include "cli/doctor.h"
#include "sessions/sql.h"
#include "ui/prompt.h"
#include "ui/term.h"

#define DPKG_STATUS "/var/lib/dpkg/status"
#define STATUS_MAX  ((size_t)64 << 20)
#define VERSION_MAX 128

/* ---- comparing ---- */

int version_compare(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        char *end_a, *end_b;
        unsigned long long x = strtoull(a, &end_a, 10), y = strtoull(b, &end_b, 10);
        if (x != y)
            return x < y ? -1 : 1;
        a = *end_a == '.' ? end_a + 1 : "";
        b = *end_b == '.' ? end_b + 1 : "";
    }
    return 0;
}

/* deb-version(7): '~' before everything, the end too; letters before the rest. */
static int order(char c)
{
    return c == '~'                                 ? -1
           : isdigit((unsigned char)c) || c == '\0' ? 0
           : isalpha((unsigned char)c)              ? c
                                                    : c + 256;
}

static int compare_part(const char *a, size_t an, const char *b, size_t bn)
{
    size_t i = 0, j = 0;
    while (i < an || j < bn) {
        while ((i < an && !isdigit((unsigned char)a[i])) ||
               (j < bn && !isdigit((unsigned char)b[j]))) {
            int x = order(i < an ? a[i] : '\0'), y = order(j < bn ? b[j] : '\0');
            if (x != y)
                return x < y ? -1 : 1;
            i += i < an;
            j += j < bn;
        }
        unsigned long long x = 0, y = 0;
        for (; i < an && isdigit((unsigned char)a[i]); i++)
            x = x * 10 + (unsigned long long)(a[i] - '0');
        for (; j < bn && isdigit((unsigned char)b[j]); j++)
            y = y * 10 + (unsigned long long)(b[j] - '0');
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

int debian_version_compare(const char *a, const char *b)
{
    const char *colon_a = strchr(a, ':'), *colon_b = strchr(b, ':');
    unsigned long epoch_a = colon_a != NULL ? strtoul(a, NULL, 10) : 0,
                  epoch_b = colon_b != NULL ? strtoul(b, NULL, 10) : 0;
    if (epoch_a != epoch_b)
        return epoch_a < epoch_b ? -1 : 1;
    a = colon_a != NULL ? colon_a + 1 : a;
    b = colon_b != NULL ? colon_b + 1 : b;
    const char *dash_a = strrchr(a, '-'), *dash_b = strrchr(b, '-');
    size_t an = dash_a != NULL ? (size_t)(dash_a - a) : strlen(a),
           bn = dash_b != NULL ? (size_t)(dash_b - b) : strlen(b);
    int up = compare_part(a, an, b, bn);
    const char *ra = dash_a != NULL ? dash_a + 1 : "", *rb = dash_b != NULL ? dash_b + 1 : "";
    return up != 0 ? up : compare_part(ra, strlen(ra), rb, strlen(rb));
}

/* ---- the list ---- */

static bool is_bad(const struct json *entry, const char *component, const char *version,
                   const char *package)
{
    const char *debian = json_get_str(entry, "debian", "");
    if (strcmp(json_get_str(entry, "component", ""), component) != 0 || version[0] == '\0' ||
        version_compare(version, json_get_str(entry, "from", "0")) < 0 ||
        version_compare(version, json_get_str(entry, "fixed", "0")) >= 0)
        return false;
    return debian[0] == '\0' || package[0] == '\0' || debian_version_compare(package, debian) < 0;
}

const struct json *doctor_known_bad(const struct json *list, const char *component,
                                    const char *version, const char *package, size_t *next)
{
    size_t i = 0;
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m), i++) {
        if (i < *next || !is_bad(m, component, version, package))
            continue;
        *next = i + 1;
        return m;
    }
    return NULL;
}

/* ---- what is there ---- */

/* The Version: of a package in dpkg's list; "" when it is not installed from there. */
static void installed_version(const char *status, const char *package, char out[VERSION_MAX])
{
    char *head = xasprintf("\nPackage: %s\n", package);
    const char *at = strstr(status, head);
    const char *end = at != NULL ? strstr(at + 1, "\n\n") : NULL;
    const char *version = at != NULL ? strstr(at + 1, "\nVersion: ") : NULL;
    out[0] = '\0';
    if (version != NULL && (end == NULL || version < end)) {
        version += strlen("\nVersion: ");
        snprintf(out, VERSION_MAX, "%.*s", (int)strcspn(version, "\n"), version);
    }
    free(head);
}

/* The first number of `text` that begins a word, or stands behind a '/'. */
static void number_in(const char *text, char out[VERSION_MAX])
{
    const char *p = text;
    while (*p != '\0' &&
           !(isdigit((unsigned char)*p) && (p == text || p[-1] == ' ' || p[-1] == '/')))
        p++;
    snprintf(out, VERSION_MAX, "%.*s", (int)strspn(p, "0123456789."), p);
}

/* Without its own word for it, Debian's number without revision is the version. */
static void upstream_of(const char *package, char out[VERSION_MAX])
{
    const char *colon = strchr(package, ':'), *p = colon != NULL ? colon + 1 : package;
    snprintf(out, VERSION_MAX, "%.*s", (int)strspn(p, "0123456789."), p);
}

static bool check_one(struct app *app, const struct json *list, const char *status,
                      const char *component, const char *package, const char *said)
{
    char version[VERSION_MAX], installed[VERSION_MAX], detail[512], fix[256] = "";
    size_t next = 0;
    bool bad = false;
    installed_version(status, package, installed);
    number_in(said, version);
    if (version[0] == '\0')
        upstream_of(installed, version);
    int n = snprintf(detail, sizeof detail, "%s%s%s%s", version[0] != '\0' ? version : "not known",
                     installed[0] != '\0' ? " (Debian " : "", installed,
                     installed[0] != '\0' ? ")" : "");
    const struct json *m;
    while ((m = doctor_known_bad(list, component, version, installed, &next)) != NULL) {
        const char *handled = json_get_str(m, "handled", "");
        if (n > 0 && (size_t)n < sizeof detail)
            n += snprintf(detail + n, sizeof detail - (size_t)n, "; %s: %s%s%s",
                          json_get_str(m, "id", "?"), json_get_str(m, "why", ""),
                          handled[0] != '\0' ? ", but " : "", handled);
        bad = bad || handled[0] == '\0';
    }
    snprintf(fix, sizeof fix, "apt-get update && apt-get install --only-upgrade %s", package);
    return doctor_check(app, component, true, !bad, detail, fix);
}

bool doctor_check_libraries(struct app *app)
{
    static const char *const ssl_packages[] = { "libssl3", "libssl3t64" };
    const struct share_file *f = share_find("doctor/known-bad.json");
    struct json *list = NULL;
    struct err e = ERR_INIT;
    struct buf status = BUF_INIT(STATUS_MAX);
    char ssl[VERSION_MAX], versions[VERSION_MAX];
    if (f == NULL || json_parse(&list, f->ptr, f->len, &e) < 0)
        return doctor_check(app, "known-bad list", true, false, e.msg, "this program is damaged");
    (void)!path_read_file(DPKG_STATUS, &status, &e); /* elsewhere there is none */
    const char *s = buf_str(&status);
    bool ok = check_one(app, list, s, "sqlite", "libsqlite3-0", sql_version());
    ok = check_one(app, list, s, "curl", "libcurl4", net_library_version()) && ok;
    installed_version(s, ssl_packages[1], versions);
    const char *tls = strstr(net_library_version(), "OpenSSL/");
    number_in(tls != NULL ? tls : "", ssl);
    ok = check_one(app, list, s, "openssl", ssl_packages[versions[0] != '\0'], ssl) && ok;
    ok = check_one(app, list, s, "cjson", "libcjson1", json_library_version()) && ok;
    ok = check_one(app, list, s, "ncurses", "libncursesw6", term_library_version()) && ok;
    ok = check_one(app, list, s, "readline", "libreadline8", prompt_library_version()) && ok;
    ok = check_one(app, list, s, "bubblewrap", "bubblewrap", "") && ok;
    buf_release(&status);
    json_free(list);
    return ok;
}
