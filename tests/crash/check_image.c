/* check_image.c - opens session files as a power cut could have left them. Reads lines `PATH SEQ`
 * and answers each with `ok LAST CHAIN` (the chain after event SEQ), `missing`, or `bad WHY`. A
 * reader comes first for every other line; then a writer recovers what there is, and the whole
 * chain is verified. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sessions/store.h"

static int look(const char *path, bool reader_first, uint64_t seq, uint64_t *last, uint8_t *chain,
                struct err *e)
{
    struct store *s = NULL;
    struct verify_report rep;
    if (reader_first && store_open_read(&s, path, e) == 0)
        store_close(s);
    if (store_open(&s, path, e) < 0)
        return -1;
    *last = store_last_seq(s);
    int rc = store_verify(s, &rep, e);
    if (rc == 0 && rep.result == VERIFY_BROKEN)
        rc = err_set(e, ERR_INTEGRITY, "event %" PRIu64 ": %s", rep.first_bad, rep.reason);
    if (rc == 0 && *last >= seq)
        rc = store_chain_at(s, seq, chain, e);
    store_close(s);
    return rc;
}

static void answer(const char *path, uint64_t seq, bool reader_first)
{
    struct err e = ERR_INIT;
    uint8_t chain[SHA256_LEN] = { 0 };
    char hex[SHA256_HEX_LEN + 1];
    uint64_t last = 0;
    int rc = look(path, reader_first, seq, &last, chain, &e);
    if (rc < 0) {
        printf(e.code == ERR_MISSING ? "missing\n" : "bad %s\n", e.msg);
        return;
    }
    hex_encode(chain, SHA256_LEN, hex);
    hex[SHA256_HEX_LEN] = '\0';
    printf("ok %" PRIu64 " %s\n", last, hex);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    bool reader_first = false;
    while (getline(&line, &cap, stdin) > 0) {
        char *space = strrchr(line, ' ');
        if (space == NULL)
            return 2;
        *space = '\0';
        answer(line, strtoull(space + 1, NULL, 10), reader_first);
        fflush(stdout);
        reader_first = !reader_first;
    }
    free(line);
    return 0;
}
