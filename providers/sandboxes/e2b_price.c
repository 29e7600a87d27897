/* e2b_price.c - what a sandbox costs, by the published rates of share/prices/e2b.json. [e2b.md §3]
 */
#include "base/share.h"
#include "providers/sandboxes/e2b_int.h"

int64_t e2b_nanousd(int64_t cpus, int64_t memory_mib, int64_t seconds)
{
    const struct share_file *f = share_find("prices/e2b.json");
    struct json *o = NULL;
    if (f == NULL || json_parse(&o, f->ptr, f->len, NULL) < 0)
        return -1;
    int64_t vcpu = json_get_int(o, "vcpu_nanousd_s", -1),
            gib = json_get_int(o, "gib_nanousd_s", -1);
    int64_t n = cpus > 0 ? cpus : json_get_int(o, "default_vcpu", -1);
    int64_t mib = memory_mib > 0 ? memory_mib : json_get_int(o, "default_mib", -1);
    json_free(o);
    if (vcpu < 0 || gib < 0 || n < 0 || mib < 0 || n > 4096 || mib > (INT64_C(1) << 24) ||
        seconds > (INT64_C(1) << 28))
        return -1;
    return (vcpu * n + gib * mib / 1024) * seconds;
}
