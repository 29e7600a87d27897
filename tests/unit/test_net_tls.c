/* test_net_tls.c - requests over TLS: whom we trust, which versions, and ends without a notice.
 *
 * The servers are OpenSSL in forked children, loaded by name as net loads libcurl; certificates are
 * made when the tests start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/net.h"

#define PATIENCE_US 30000000

#define SSL_FUNCTIONS(X)                                                                           \
    X(TLS_server_method)                                                                           \
    X(SSL_CTX_new)                                                                                 \
    X(SSL_CTX_ctrl)                                                                                \
    X(SSL_CTX_set_cipher_list)                                                                     \
    X(SSL_CTX_use_certificate)                                                                     \
    X(SSL_CTX_use_PrivateKey)                                                                      \
    X(SSL_new)                                                                                     \
    X(SSL_set_fd)                                                                                  \
    X(SSL_accept)                                                                                  \
    X(SSL_read)                                                                                    \
    X(SSL_write)                                                                                   \
    X(SSL_shutdown)

static struct {
#define DECLARE(name) __typeof__(name) *(name);
    SSL_FUNCTIONS(DECLARE)
#undef DECLARE
} ssl;

static char dir[] = "/tmp/airlock-tls-XXXXXX", ca_path[64], other_path[64];
static EVP_PKEY *key;
static X509 *good, *expired, *wrong_host;

/* ---- certificates */

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(ext);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
}

static X509 *make_cert(const char *san, long from_s, long to_s)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), to_s);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)san, -1, -1, 0);
    X509_set_issuer_name(x, name);
    add_extension(x, NID_subject_alt_name, san);
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    return x;
}

static void write_pem(const char *path, X509 *x, X509 *y)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(1, PEM_write_X509(f, x));
    if (y != NULL)
        assert_int_equal(1, PEM_write_X509(f, y));
    fclose(f);
}

static int group_setup(void **state)
{
    (void)state;
    const long day = 86400;
    void *handle = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return 0;
#define LOAD(name) ssl.name = (__typeof__(ssl.name))dlsym(handle, #name);
    SSL_FUNCTIONS(LOAD)
#undef LOAD
    key = EVP_EC_gen("P-256");
    assert_non_null(key);
    good = make_cert("IP:127.0.0.1,DNS:localhost", -day, day);
    expired = make_cert("IP:127.0.0.1,DNS:localhost", -2 * day, -day);
    wrong_host = make_cert("DNS:elsewhere.example", -day, day);
    assert_non_null(mkdtemp(dir));
    snprintf(ca_path, sizeof ca_path, "%s/ca.pem", dir);
    snprintf(other_path, sizeof other_path, "%s/other.pem", dir);
    write_pem(ca_path, good, expired);
    write_pem(other_path, wrong_host, NULL);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    X509_free(good);
    X509_free(expired);
    X509_free(wrong_host);
    EVP_PKEY_free(key);
    unlink(ca_path);
    unlink(other_path);
    rmdir(dir);
    return 0;
}

/* ---- servers */

enum ending { END_NOTICE, END_CUT };

struct tls_server {
    X509 *cert;
    int max_version; /* 0: any */
    const char *answer;
    enum ending ending;
};

static NORETURN void serve(int listener, const struct tls_server *t)
{
    char request[8192];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *ctx = ssl.SSL_CTX_new(ssl.TLS_server_method());
    ssl.SSL_CTX_use_certificate(ctx, t->cert);
    ssl.SSL_CTX_use_PrivateKey(ctx, key);
    if (t->max_version != 0) {
        ssl.SSL_CTX_set_cipher_list(ctx, "DEFAULT:@SECLEVEL=0");
        ssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MAX_PROTO_VERSION, t->max_version, NULL);
    }
    int fd = accept(listener, NULL, NULL);
    SSL *s = ssl.SSL_new(ctx);
    ssl.SSL_set_fd(s, fd);
    if (ssl.SSL_accept(s) == 1 && ssl.SSL_read(s, request, sizeof request) > 0) {
        ssl.SSL_write(s, t->answer, (int)strlen(t->answer));
        if (t->ending == END_NOTICE)
            ssl.SSL_shutdown(s);
    }
    shutdown(fd, SHUT_WR);
    while (read(fd, request, sizeof request) > 0)
        ;
    _exit(0);
}

static pid_t start_server(const struct tls_server *t, unsigned *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(fd, (struct sockaddr *)&a, sizeof a));
    assert_int_equal(0, listen(fd, 4));
    assert_int_equal(0, getsockname(fd, (struct sockaddr *)&a, &len));
    *port = ntohs(a.sin_port);
    pid_t pid = fork();
    if (pid == 0)
        serve(fd, t);
    close(fd);
    return pid;
}

/* ---- cases */

struct seen {
    unsigned dones;
    struct net_result result;
    char body[64];
};

static void on_done(void *arg, const struct net_result *r)
{
    struct seen *s = arg;
    s->dones++;
    s->result = *r;
    snprintf(s->body, sizeof s->body, "%s", r->body);
}

static void get(const struct tls_server *t, const char *host, const char *ca, struct seen *seen)
{
    unsigned port;
    char url[128];
    struct loop *lp;
    struct net_origin *o;
    struct net_call *c;
    struct err e = ERR_INIT;
    pid_t pid = start_server(t, &port);
    assert_int_equal(0, loop_new(&lp, NULL));
    struct net *n = net_new(lp);
    snprintf(url, sizeof url, "https://%s:%u", host, port);
    assert_int_equal(0, net_origin_new(&o, url, NULL));
    assert_int_equal(0, net_origin_add_secret(o, "x-api-key", "", "canary-key-1", 12, NULL));
    if (ca != NULL)
        net_origin_set_ca_file(o, ca);
    struct net_request rq = {
        .method = "GET", .origin = o, .target = "/", .on_done = on_done, .arg = seen
    };
    *seen = (struct seen){ .dones = 0 };
    if (net_send(n, &rq, &c, &e) < 0)
        fail_msg("%s", e.msg);
    int64_t limit = clock_mono_us() + PATIENCE_US;
    while (seen->dones == 0 && clock_mono_us() < limit)
        assert_int_equal(0, loop_turn(lp, 1000, &e));
    assert_int_equal(1, seen->dones);
    net_free(n);
    net_origin_free(o);
    loop_free(lp);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_tls(void **state)
{
    (void)state;
    if (ssl.SSL_shutdown == NULL) {
        print_message("[  SKIPPED ] TLS: there is no libssl.so.3 here\n");
        skip();
    }
    static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    static const char open_ended[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi";
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi";
    const struct {
        const char *name;
        struct tls_server server;
        const char *host, *ca;
        enum net_end end;
        bool left;
    } cases[] = {
        { "trusted", { good, 0, whole, END_NOTICE }, "127.0.0.1", ca_path, NET_ANSWERED, true },
        { "by name", { good, 0, whole, END_NOTICE }, "localhost", ca_path, NET_ANSWERED, true },
        { "TLS 1.2",
          { good, TLS1_2_VERSION, whole, END_NOTICE },
          "127.0.0.1",
          ca_path,
          NET_ANSWERED,
          true },
        { "until the end, with a notice",
          { good, 0, open_ended, END_NOTICE },
          "127.0.0.1",
          ca_path,
          NET_CUT,
          true },
        { "until the end", { good, 0, open_ended, END_CUT }, "127.0.0.1", ca_path, NET_CUT, true },
        { "until the end, TLS 1.2",
          { good, TLS1_2_VERSION, open_ended, END_CUT },
          "127.0.0.1",
          ca_path,
          NET_CUT,
          true },
        { "length not reached",
          { good, 0, half, END_NOTICE },
          "127.0.0.1",
          ca_path,
          NET_CUT,
          true },
        { "not trusted",
          { good, 0, whole, END_NOTICE },
          "127.0.0.1",
          NULL,
          NET_UNREACHABLE,
          false },
        { "another authority",
          { good, 0, whole, END_NOTICE },
          "127.0.0.1",
          other_path,
          NET_UNREACHABLE,
          false },
        { "another host",
          { wrong_host, 0, whole, END_NOTICE },
          "127.0.0.1",
          other_path,
          NET_UNREACHABLE,
          false },
        { "expired",
          { expired, 0, whole, END_NOTICE },
          "127.0.0.1",
          ca_path,
          NET_UNREACHABLE,
          false },
        { "TLS 1.1",
          { good, TLS1_1_VERSION, whole, END_NOTICE },
          "127.0.0.1",
          ca_path,
          NET_UNREACHABLE,
          false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen s;
        get(&cases[i].server, cases[i].host, cases[i].ca, &s);
        if (s.result.end != cases[i].end || s.result.left != cases[i].left)
            fail_msg("%s: %s, left %d: %s", cases[i].name, net_end_name(s.result.end),
                     s.result.left, s.result.err.msg);
        if (s.result.end == NET_ANSWERED)
            assert_string_equal("hi", s.body);
        else
            assert_null(strstr(s.result.err.msg, "canary"));
        if (!cases[i].left)
            assert_non_null(strstr(s.result.err.msg, "cannot connect"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_tls) };
    return cmocka_run_group_tests_name("net_tls", tests, group_setup, group_teardown);
}
