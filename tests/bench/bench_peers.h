/* bench_peers.h - the programs that are measured on the terminal: ours, floors, and peers from
 * distribution packages. A missing one ends the process with BENCH_MISSING. */
#ifndef AIRLOCK_TESTS_BENCH_PEERS_H
#define AIRLOCK_TESTS_BENCH_PEERS_H

#include "tty.h"

struct peer {
    const char *argv[12];
    const char *shown; /* when its screen is there */
    const char *enter; /* keys that lead to where typing is seen; NULL none */
    bool types;        /* a letter appears at the cursor; else the arrows move */
    bool is_peer;
};

/* The program under test: $AIRLOCK, or the one that was built with this benchmark. */
BENCH_UNUSED static const char *peer_airlock(const char *argv0)
{
    static char real[4096];
    const char *named = getenv("AIRLOCK");
    if (realpath(named != NULL ? named : bench_beside(argv0, "../../airlock"), real) == NULL)
        bench_die("no airlock to measure: set AIRLOCK");
    return real;
}

BENCH_UNUSED static bool peer_has(const char *program)
{
    char path[400];
    static const char *const dirs[] = { "/usr/bin", "/bin", "/usr/local/bin", "/usr/games" };
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        snprintf(path, sizeof path, "%s/%.100s", dirs[i], program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* The one session in the data directory. */
BENCH_UNUSED static void session_find(const char *data, char *out, size_t size)
{
    char dir[400];
    snprintf(dir, sizeof dir, "%.300s/sessions", data);
    DIR *d = opendir(dir);
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;) {
        size_t len = strlen(de->d_name);
        if (len > 3 && strcmp(de->d_name + len - 3, ".db") == 0)
            snprintf(out, size, "%s/%.80s", dir, de->d_name);
    }
    if (d != NULL)
        closedir(d);
}

/* Lines to look at; a short repository for tig. */
static void peer_make_text(const char *path, int lines)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        bench_die(path);
    for (int i = 0; i < lines; i++)
        fprintf(f, "%06d first words of a line in a log, %d of them are like this one\n", i, i * 7);
    fclose(f);
}

static void peer_make_repository(const char *home)
{
    static const char script[] =
        "exec >/dev/null 2>&1; cd \"$0\" && git init -q . && for i in 1 2 3 4 5 6 7 8 9 10 11 12; "
        "do git -c user.name=a -c user.email=a@b commit -q --allow-empty -m \"change $i\"; done";
    double none[BENCH_VALUES];
    const char *argv[] = { "/bin/sh", "-c", script, home, NULL };
    (void)bench_run(argv, none);
}

BENCH_UNUSED static struct peer peer_find(const char *argv0, const char *who, const char *home)
{
    static char text[400], floor[4096];
    struct peer p = { .shown = "first words", .is_peer = true };
    bool known = true;
    if (strcmp(who, "ours") == 0)
        p = (struct peer){ { peer_airlock(argv0) }, .shown = ":tour", .types = true };
    else if (strcmp(who, "floor") == 0 && realpath(bench_beside(argv0, "floor_key"), floor) != NULL)
        p = (struct peer){ { floor }, .shown = "ready", .types = true };
    else if (!peer_has(who))
        exit(BENCH_MISSING);
    else if (strcmp(who, "less") == 0)
        p = (struct peer){ { "less", text }, "first words", "/", .types = true, .is_peer = true };
    else if (strcmp(who, "vim") == 0)
        p = (struct peer){ { "vim", "-N", "-u", "NONE", "-i", "NONE", text },
                           "first words",
                           "O",
                           .types = true,
                           .is_peer = true };
    else if (strcmp(who, "tig") == 0)
        p.argv[0] = "tig", p.shown = "change 1";
    else if (strcmp(who, "htop") == 0)
        p.argv[0] = "htop", p.argv[1] = "-d", p.argv[2] = "100", p.shown = "PID";
    else
        known = false;
    if (!known)
        bench_die(who);
    snprintf(text, sizeof text, "%.300s/text", home);
    peer_make_text(text, 2000);
    if (strcmp(who, "tig") == 0)
        peer_make_repository(home);
    return p;
}

#endif
