/* box_remote.h - a remote sandbox's server for the contract tests: tests/servers/NAME/server.py on
 * loopback, told what to do by lines of JSON. Its first line names its ports and the key. Included
 * by box.h. */
#ifndef AIRLOCK_TESTS_CONTRACT_BOX_REMOTE_H
#define AIRLOCK_TESTS_CONTRACT_BOX_REMOTE_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

#define REMOTE_IDLE_MS "2000" /* the server's keepalives are five times as frequent */

static struct {
    char root[4096]; /* of the servers; set before the directory changes */
    char path[4352];
    pid_t pid;
    FILE *in, *out;
    char api[64], data[64], key[64];
    const char *queue_ms; /* how long a place is waited for; NULL: a moment */
} box_remote;

static inline const char *box_setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "E2B_API_KEY") == 0 || strcmp(name, "ANTHROPIC_API_KEY") == 0)
        return box_remote.key;
    if (strcmp(name, "E2B_API_URL") == 0 || strcmp(name, "ANTHROPIC_BASE_URL") == 0)
        return box_remote.api;
    if (strcmp(name, "E2B_SANDBOX_URL") == 0)
        return box_remote.data;
    if (strcmp(name, "E2B_IDLE_MS") == 0)
        return REMOTE_IDLE_MS;
    if (strcmp(name, "claude.patience_ms") == 0)
        return "1000";
    if (strcmp(name, "E2B_SEEK_MS") == 0 || strcmp(name, "CLAUDE_SEEK_MS") == 0)
        return "100";
    if (strcmp(name, "E2B_QUEUE_MS") == 0)
        return box_remote.queue_ms != NULL ? box_remote.queue_ms : "1500";
    if (strcmp(name, "CLAUDE_PATIENCE_MS") == 0)
        return "10000";
    return NULL;
}

/* Before anything changes the directory. */
static inline void box_remote_find(void)
{
    if (realpath("tests/servers", box_remote.root) == NULL)
        box_remote.root[0] = '\0';
}

static inline void box_remote_exec(const int in[2], const int out[2])
{
    dup2(in[0], 0);
    dup2(out[1], 1);
    closefrom(3);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execl("/usr/bin/python3", "python3", box_remote.path, "--keepalive", "0.4", (char *)NULL);
    _exit(127);
}

/* "PORT [PORT] KEY" */
static inline bool box_remote_hello(void)
{
    char line[256];
    unsigned api, data;
    if (fgets(line, sizeof line, box_remote.out) == NULL)
        return false;
    if (sscanf(line, "%u %u %63s", &api, &data, box_remote.key) == 3)
        snprintf(box_remote.data, sizeof box_remote.data, "http://127.0.0.1:%u", data);
    else if (sscanf(line, "%u %63s", &api, box_remote.key) != 2)
        return false;
    snprintf(box_remote.api, sizeof box_remote.api, "http://127.0.0.1:%u", api);
    return true;
}

/* "" or why it can't be. */
static inline const char *box_remote_start(const char *name)
{
    int in[2], out[2];
    snprintf(box_remote.path, sizeof box_remote.path, "%s/%s/server.py", box_remote.root, name);
    if (box_remote.root[0] == '\0' || access(box_remote.path, R_OK) < 0)
        return "its server in tests/servers is not there: run from the top of the tree";
    if (access("/usr/bin/bwrap", X_OK) < 0)
        return "the test server needs bubblewrap";
    signal(SIGPIPE, SIG_IGN);
    if (pipe(in) < 0 || pipe(out) < 0)
        return "no pipe";
    box_remote.pid = fork();
    if (box_remote.pid == 0)
        box_remote_exec(in, out);
    close(in[0]);
    close(out[1]);
    box_remote.in = fdopen(in[1], "w");
    box_remote.out = fdopen(out[0], "r");
    return box_remote_hello() ? "" : "the test server does not start";
}

static inline void box_remote_stop(void)
{
    if (box_remote.pid <= 0)
        return;
    fclose(box_remote.in);
    fclose(box_remote.out);
    while (waitpid(box_remote.pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    box_remote.pid = 0;
}

/* One line to it, one line back; lent until the next one. */
static inline const char *box_remote_say(const char *line)
{
    static char *answer;
    static size_t size;
    fprintf(box_remote.in, "%s\n", line);
    fflush(box_remote.in);
    return getline(&answer, &size, box_remote.out) > 0 ? answer : "";
}

#endif
