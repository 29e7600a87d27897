/* screen_pictures.c - pictures among the results: decoded in a child, kept while the session is
 * open. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/image.h"

#define PICTURES_MAX 32 /* kept at once; the oldest goes first */

struct picture {
    struct picture *next;
    struct screen *s;
    uint32_t run;
    char artifact[64], why[512];
    struct image image;
    bool ready;
    struct image_job *job;
    struct loop_source *source;
};

struct pictures {
    struct picture *list; /* newest first */
};

static void drop(struct picture *p)
{
    loop_remove(p->s->app->loop, p->source);
    image_job_free(p->job);
    image_release(&p->image);
    free(p);
}

static void on_job(void *arg, int fd, unsigned events)
{
    struct picture *p = arg;
    struct err e = ERR_INIT;
    (void)fd;
    (void)events;
    int rc = image_job_step(p->job, &p->image, &e);
    if (rc == 0)
        return;
    p->ready = rc > 0;
    if (rc < 0)
        snprintf(p->why, sizeof p->why, "%s", e.msg);
    loop_remove(p->s->app->loop, p->source);
    p->source = NULL;
    image_job_free(p->job);
    p->job = NULL;
    screen_changed(p->s);
}

static int begin(struct picture *p, const struct state_result *res, struct err *e)
{
    struct buf png = BUF_INIT(IMAGE_BYTES_MAX);
    int rc = store_read_artifact(screen_store(p->s), p->run, res->artifact, &png, e);
    if (rc == 0)
        rc = image_job_start(&p->job, png.ptr, png.len, e);
    if (rc == 0)
        rc = loop_add_fd(p->s->app->loop, image_job_fd(p->job), LOOP_READ, LOOP_NORMAL, on_job, p,
                         &p->source, e);
    buf_release(&png);
    return rc;
}

static struct picture *find(struct pictures *all, uint32_t run, const char *artifact)
{
    for (struct picture *p = all->list; p != NULL; p = p->next) {
        if (p->run == run && strcmp(p->artifact, artifact) == 0)
            return p;
    }
    return NULL;
}

static void trim(struct pictures *all)
{
    size_t n = 0;
    for (struct picture **at = &all->list; *at != NULL; n++) {
        struct picture *p = *at;
        if (n < PICTURES_MAX) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        drop(p);
    }
}

static const struct image *get(void *arg, uint32_t run, const struct state_result *res,
                               const char **why)
{
    struct screen *s = arg;
    struct err e = ERR_INIT;
    *why = "";
    if (!image_is_shown(res->mime) || res->artifact == NULL || screen_store(s) == NULL) {
        *why = "o saves it";
        return NULL;
    }
    if (s->pictures == NULL)
        s->pictures = xcalloc(1, sizeof *s->pictures);
    struct picture *p = find(s->pictures, run, res->artifact);
    if (p == NULL) {
        p = xcalloc(1, sizeof *p);
        p->s = s;
        p->run = run;
        snprintf(p->artifact, sizeof p->artifact, "%s", res->artifact);
        p->next = s->pictures->list;
        s->pictures->list = p;
        if (begin(p, res, &e) < 0)
            snprintf(p->why, sizeof p->why, "%s", e.msg);
        trim(s->pictures);
    }
    *why = p->why[0] != '\0' ? p->why : "being decoded";
    return p->ready ? &p->image : NULL;
}

struct view_images screen_images(struct screen *s)
{
    return (struct view_images){ .get = get, .arg = s };
}

void screen_pictures_release(struct screen *s)
{
    if (s->pictures == NULL)
        return;
    for (struct picture *p = s->pictures->list; p != NULL;) {
        struct picture *next = p->next;
        drop(p);
        p = next;
    }
    free(s->pictures);
    s->pictures = NULL;
}
