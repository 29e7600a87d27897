/* fuzz_config.c - a configuration that is read is in range, and each of its values, written into a
 * file of its own, reads back as the same; a mistake is told with file and line.
 *
 * Input: the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "cli/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64], other[64];

static void take_away(void)
{
    unlink(path);
    unlink(other);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

static void put_file(const uint8_t *data, size_t size)
{
    char dir[] = "/tmp/airlock-fuzz.XXXXXX";
    if (path[0] == '\0') {
        INVARIANT(mkdtemp(dir) != NULL);
        snprintf(path, sizeof path, "%s/config.ini", dir);
        snprintf(other, sizeof other, "%s/other.ini", dir);
        INVARIANT(atexit(take_away) == 0);
    }
    FILE *f = fopen(path, "wb");
    INVARIANT(f != NULL && fwrite(data, 1, size, f) == size && fclose(f) == 0);
    INVARIANT(chmod(path, 0600) == 0);
}

static void check_ranges(const struct config *c)
{
    INVARIANT(c->planner != NULL && c->sandbox != NULL && c->theme != NULL && c->language != NULL);
    INVARIANT(c->gate_arm_ms >= 250 && c->gate_expire_min >= 1 && c->trash_days >= 0);
}

/* One key: as it is in force, written anew. */
static void check_key(const struct config *c, const struct config_key *k)
{
    struct buf value = BUF_INIT(1 << 20), back = BUF_INIT(1 << 20);
    struct config again;
    struct err e = ERR_INIT;
    unlink(other);
    if (config_get(c, k->key, &value, &e) == 0 &&
        config_set(other, k->key, buf_str(&value), &e) == 0) {
        INVARIANT(config_load(&again, other, &e) == 0);
        INVARIANT(config_get(&again, k->key, &back, &e) == 0);
        INVARIANT(strcmp(buf_str(&value), buf_str(&back)) == 0);
        config_release(&again);
    }
    buf_release(&value);
    buf_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    struct err e = ERR_INIT;
    size_t count;
    const struct config_key *keys = config_keys(&count);
    put_file(data, size);
    if (config_load(&c, path, &e) == 0) {
        check_ranges(&c);
        if (size > 0)
            check_key(&c, &keys[data[size - 1] % count]);
    } else {
        INVARIANT(e.code == ERR_USAGE || e.code == ERR_LIMIT || e.code == ERR_FORMAT);
        INVARIANT(strstr(e.msg, path) != NULL);
    }
    config_release(&c);
    return 0;
}
