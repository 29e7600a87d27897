/* stream.c - frames to and from us: one queue out, one parser in, and the credit between them. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_FULL  (256u << 10) /* no more output is read above this */
#define QUEUE_CHOKE (2u << 20)   /* no more lines of interpreters above this */

static int in_fd, out_fd;
static struct bytes queue; /* bytes sent..n are to be written */
static size_t sent;
static size_t unacknowledged;

static char head[FRAME_HEAD];
static size_t head_len;
static size_t payload_left;  /* of the frame whose head is complete */
static struct bytes payload; /* of control and credit frames */

void stream_open(int in, int out)
{
    in_fd = in;
    out_fd = out;
    fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK);
    fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK);
    bytes_add(&queue, GUEST_MAGIC, GUEST_MAGIC_LEN);
}

int stream_in_fd(void)
{
    return in_fd;
}

int stream_out_fd(void)
{
    return out_fd;
}

bool stream_wants_write(void)
{
    return queue.n > sent;
}

bool stream_is_choked(void)
{
    return queue.n - sent > QUEUE_CHOKE;
}

size_t stream_room(void)
{
    if (queue.n - sent > QUEUE_FULL || unacknowledged >= CREDIT_WINDOW)
        return 0;
    return CREDIT_WINDOW - unacknowledged;
}

static void put_head(char *p, unsigned kind, unsigned id, size_t len)
{
    p[0] = (char)kind;
    p[1] = (char)id;
    p[2] = p[3] = 0;
    p[4] = (char)(len >> 24);
    p[5] = (char)(len >> 16);
    p[6] = (char)(len >> 8);
    p[7] = (char)len;
}

static void compact(void)
{
    if (sent == queue.n)
        sent = queue.n = 0;
    else if (sent > (4u << 20)) {
        bytes_drop(&queue, sent);
        sent = 0;
    }
}

static void add_frame(unsigned kind, unsigned id, const char *p, size_t n)
{
    compact();
    put_head(bytes_room(&queue, FRAME_HEAD + n), kind, id, n);
    queue.n += FRAME_HEAD;
    bytes_add(&queue, p, n);
}

void stream_control(const struct bytes *json)
{
    if (json->n > FRAME_MAX)
        guest_log("guest: a message of %zu bytes was not sent", json->n);
    else
        add_frame(FRAME_CONTROL, 0, json->p, json->n);
}

ssize_t stream_relay(unsigned kind, unsigned id, int fd, size_t max)
{
    size_t want = max < OUTPUT_READ ? max : OUTPUT_READ;
    compact();
    char *at = bytes_room(&queue, FRAME_HEAD + want);
    ssize_t n = read(fd, at + FRAME_HEAD, want);
    if (n <= 0)
        return n < 0 && errno != EAGAIN && errno != EINTR ? -1 : 0;
    put_head(at, kind, id, (size_t)n);
    queue.n += FRAME_HEAD + (size_t)n;
    unacknowledged += (size_t)n;
    return n;
}

/* Nobody is left to answer to. As pid 1 our end is the end of all. */
static _Noreturn void gone(void)
{
    procs_sweep(-1);
    _exit(0);
}

void stream_flush(void)
{
    while (queue.n > sent) {
        ssize_t n = write(out_fd, queue.p + sent, queue.n - sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            gone();
        sent += (size_t)n;
    }
    compact();
}

static void finish_frame(void)
{
    const unsigned char *c = (const unsigned char *)payload.p;
    if (head[0] == FRAME_CONTROL) {
        struct str json = { payload.p, payload.n };
        if (!json_is_object(json))
            guest_die("guest: a control message is no JSON object");
        dispatch_control(json);
    } else if (head[0] == FRAME_CREDIT) {
        size_t n = payload.n != 4
                       ? 0
                       : (size_t)c[0] << 24 | (size_t)c[1] << 16 | (size_t)c[2] << 8 | (size_t)c[3];
        if (payload.n != 4 || n > unacknowledged)
            guest_die("guest: credit for what was not sent");
        unacknowledged -= n;
    }
    payload.n = 0;
    head_len = 0;
}

static void begin_frame(void)
{
    const unsigned char *h = (const unsigned char *)head;
    payload_left = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | (size_t)h[7];
    bool known = h[0] == FRAME_CONTROL || h[0] == FRAME_BULK || h[0] == FRAME_CREDIT;
    if (!known || h[1] != 0 || h[2] != 0 || h[3] != 0 || payload_left > FRAME_MAX)
        guest_die("guest: a frame that can't be");
}

static void feed(const char *p, size_t n)
{
    while (n > 0) {
        size_t part;
        if (head_len < FRAME_HEAD) {
            part = FRAME_HEAD - head_len < n ? FRAME_HEAD - head_len : n;
            memcpy(head + head_len, p, part);
            head_len += part;
            if (head_len == FRAME_HEAD)
                begin_frame();
        } else {
            part = payload_left < n ? payload_left : n;
            if (head[0] == FRAME_BULK)
                dispatch_bulk(p, part);
            else
                bytes_add(&payload, p, part);
            payload_left -= part;
        }
        p += part;
        n -= part;
        if (head_len == FRAME_HEAD && payload_left == 0)
            finish_frame();
    }
}

void stream_read(void)
{
    static char chunk[OUTPUT_READ];
    ssize_t n = read(in_fd, chunk, sizeof chunk);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        gone();
    feed(chunk, (size_t)n);
}
