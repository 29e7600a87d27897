/* screen_masks.c - `m` and `:masks`: what a comparison of outputs on the screen ignores. */
#include "cli/screen_int.h"

#include "sessions/mask.h"

static void apply(void *arg, const char *line, size_t len, struct buf *out)
{
    const struct screen *s = arg;
    (void)mask_line(s->masks, line, len, out); /* a full buffer is told as a capped comparison */
}

/* No argument (the key): all, or none when there are some. */
void screen_set_masks(struct screen *s, const char *args, struct err *e)
{
    unsigned set = s->masks == MASK_NONE ? MASK_ALL : MASK_NONE;
    if (args[0] == '-' || args[0] == '+') /* one by one, from what is on */
        set = s->masks;
    if (args[0] != '\0' && mask_parse(args, &set, e) < 0) {
        screen_fail(s, e);
        return;
    }
    s->masks = set;
    buf_reset(&s->mask_names);
    mask_print(set, &s->mask_names);
    s->vm.masks = (struct view_masks){ 0 };
    if (set != MASK_NONE)
        s->vm.masks =
            (struct view_masks){ .apply = apply, .arg = s, .names = buf_str(&s->mask_names) };
    screen_toast(s, TONE_INFO, "a comparison of outputs ignores: %s%s", buf_str(&s->mask_names),
                 set == MASK_ALL ? " (:masks LIST, :masks none)" : "");
}
