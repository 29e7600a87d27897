/* e2b_image.c - a template and its options. */
#include "providers/sandboxes/e2b_image.h"

#include <stdio.h>
#include <string.h>

#include "base/http.h"
#include "providers/sandboxes/e2b_place.h"

#define SNAPSHOTS_MAX 64

static int take_option(struct e2b_image *out, const char *p, size_t len, struct err *e)
{
    static const char snapshots[] = "snapshots=", kernel[] = "kernel=";
    char value[16] = "";
    size_t key = sizeof snapshots - 1;
    if (len > key && len - key < sizeof value && memcmp(p, snapshots, key) == 0) {
        memcpy(value, p + key, len - key);
        int64_t n = http_number(value, SNAPSHOTS_MAX + 1);
        if (n > 0 && n <= SNAPSHOTS_MAX) {
            out->snapshots = (unsigned)n;
            return 0;
        }
    }
    if (len > sizeof kernel - 1 && memcmp(p, kernel, sizeof kernel - 1) == 0)
        return 0; /* chosen before */
    return err_set(e, ERR_USAGE, "e2b has no option '%.*s'; there is snapshots=N (1 to %d)",
                   len < 40 ? (int)len : 40, p, SNAPSHOTS_MAX);
}

int e2b_image_read(struct e2b_image *out, const char *image, struct err *e)
{
    const char *p = image != NULL ? image : "";
    size_t n = strcspn(p, ","), eq = strcspn(p, "=");
    *out = (struct e2b_image){ .snapshots = 0 };
    if (eq < n)
        n = 0; /* no template is named */
    if (n >= sizeof out->template)
        return err_set(e, ERR_USAGE, "the name of a template has at most %zu bytes",
                       sizeof out->template - 1);
    snprintf(out->template, sizeof out->template, "%.*s",
             n > 0 ? (int)n : (int)strlen(E2B_TEMPLATE), n > 0 ? p : E2B_TEMPLATE);
    for (p += n + (p[n] == ','); *p != '\0'; p += n + (p[n] == ',')) {
        n = strcspn(p, ",");
        if (take_option(out, p, n, e) < 0)
            return -1;
    }
    return 0;
}
