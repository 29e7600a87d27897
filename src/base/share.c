#include "share.h"

#include <string.h>

/* share/embed.sh lays these out; `embed.sh` and this struct change together. */
extern const struct share_file share_table[];
extern const size_t share_table_count;

const struct share_file *share_list(size_t *count)
{
    *count = share_table_count;
    return share_table;
}

const struct share_file *share_find(const char *name)
{
    for (size_t i = 0; i < share_table_count; i++) {
        if (strcmp(share_table[i].name, name) == 0)
            return &share_table[i];
    }
    return NULL;
}
