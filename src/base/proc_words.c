/* proc_words.c - a helper's command line and environment: no shell, nothing inherited by default.
 * [SEC-3, SEC-7] */
#include "base/proc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* The pointers and, behind them, the bytes they point to. */
static char **words_new(size_t count, size_t bytes, char **text)
{
    char **words = xcalloc(1, (count + 1) * sizeof *words + bytes);
    *text = (char *)(words + count + 1);
    return words;
}

void proc_free_words(char **words)
{
    free(words);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One word from *at to *to. Quotes group as in a shell; a backslash takes the next character as it
 * is, inside double quotes only before `"` and `\`. -1: a quote or backslash is left open. */
static int take_word(const char **at, char **to)
{
    char quote = '\0';
    const char *s = *at;
    char *w = *to;
    for (; *s != '\0' && (quote != '\0' || !is_blank(*s)); s++) {
        if (quote == '\0' && (*s == '\'' || *s == '"')) {
            quote = *s;
        } else if (*s == quote) {
            quote = '\0';
        } else if (*s == '\\' && (quote == '\0' || (quote == '"' && strchr("\"\\", s[1])))) {
            if (*++s == '\0')
                return -1;
            *w++ = *s;
        } else {
            *w++ = *s;
        }
    }
    *w++ = '\0';
    *at = s;
    *to = w;
    return quote == '\0' ? 0 : -1;
}

int proc_split_words(const char *command, char ***out, struct err *e)
{
    size_t len = strlen(command), count = 0;
    char *to;
    char **words = words_new(len / 2 + 1, len + 1, &to);
    for (const char *at = command;;) {
        while (is_blank(*at))
            at++;
        if (*at == '\0')
            break;
        words[count++] = to;
        if (take_word(&at, &to) < 0) {
            free(words);
            return err_set(e, ERR_USAGE, "a quote is not closed in: %s", command);
        }
    }
    if (count == 0) {
        free(words);
        return err_set(e, ERR_USAGE, "the command is empty");
    }
    *out = words;
    return 0;
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && eaccess(path, X_OK) == 0;
}

static int resolve_absolute(const char *word, char **out, struct err *e)
{
    if (word[0] != '/')
        return err_set(e, ERR_USAGE, "%s: give the program by name or by absolute path", word);
    if (!is_program(word))
        return err_set(e, ERR_MISSING, "%s is not a program we can run", word);
    *out = xstrdup(word);
    return 0;
}

int proc_resolve(const char *word, char **out, struct err *e)
{
    if (word[0] == '\0')
        return err_set(e, ERR_USAGE, "the program's name is empty");
    if (strchr(word, '/') != NULL)
        return resolve_absolute(word, out, e);
    const char *dirs = getenv("PATH");
    if (dirs == NULL || dirs[0] == '\0')
        dirs = DEFAULT_PATH;
    for (const char *at = dirs; at != NULL;) {
        const char *colon = strchr(at, ':');
        int len = (int)(colon != NULL ? (size_t)(colon - at) : strlen(at));
        /* An empty or relative entry means "where we happen to be": never. */
        if (at[0] == '/') {
            char *path = xasprintf("%.*s/%s", len, at, word);
            if (is_program(path)) {
                *out = path;
                return 0;
            }
            free(path);
        }
        at = colon != NULL ? colon + 1 : NULL;
    }
    return err_set(e, ERR_MISSING, "%s is not installed (no such program on PATH)", word);
}

static bool is_helper_name(const char *entry)
{
    static const char *const names[] = {
        "HOME=",
        "PATH=",
        "USER=",
        "LOGNAME=",
        "SHELL=",
        "LANG=",
        "LC_",
        "TERM=",
        "COLORTERM=",
        "DISPLAY=",
        "WAYLAND_DISPLAY=",
        "DBUS_SESSION_BUS_ADDRESS=",
        "SSH_AUTH_SOCK=",
        "GNUPGHOME=",
        "GPG_TTY=",
        "XDG_",
        "TZ=",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return strchr(entry, '=') != NULL;
    return false;
}

char **proc_helper_env(void)
{
    size_t count = 0, bytes = 0, n = 0;
    for (char **v = environ; v != NULL && *v != NULL; v++) {
        if (is_helper_name(*v)) {
            count++;
            bytes += strlen(*v) + 1;
        }
    }
    char *to;
    char **words = words_new(count, bytes, &to);
    for (char **v = environ; v != NULL && *v != NULL && n < count; v++) {
        if (!is_helper_name(*v))
            continue;
        size_t len = strlen(*v) + 1;
        memcpy(to, *v, len);
        words[n++] = to;
        to += len;
    }
    return words;
}
