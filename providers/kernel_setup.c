/* kernel_setup.c - the first messages to the guest: its limits, the whole environment of an
 * interpreter, and which one to start at once. */
#include "providers/kernel_int.h"

#include <stdio.h>
#include <string.h>

static void add_env(struct json_w *w, const char *name, const char *value)
{
    json_w_array(w, NULL);
    json_w_str(w, NULL, name);
    json_w_strn(w, NULL, value, strlen(value));
    json_w_close_array(w);
}

/* The whole environment of an interpreter: what it needs, then the person's names. */
static void add_environment(struct json_w *w, const struct kernel_config *cfg)
{
    static const char *const fixed[][2] = {
        { "PATH", "/usr/local/bin:/usr/bin:/bin" },
        { "HOME", GUEST_WORKSPACE },
        { "USER", "sandbox" },
        { "LANG", "C.UTF-8" },
        { "TMPDIR", "/tmp" },
        { "XDG_CACHE_HOME", "/tmp/.cache" },
        { "MPLCONFIGDIR", "/tmp/.matplotlib" },
        { "MPLBACKEND", "module://_airlock_plots" },
        { "FONTCONFIG_FILE", GUEST_DIR "/kernels/python/fonts.conf" },
    };
    static const char *const threads[] = { "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                           "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS" };
    /* HTTP_PROXY in capitals is what a CGI would take from a header; some programs know only one
     * spelling of each. */
    static const char *const proxy[] = { "HTTP_PROXY",  "http_proxy", "HTTPS_PROXY",
                                         "https_proxy", "ALL_PROXY",  "all_proxy" };
    const struct contract *c = cfg->contract;
    char cpu[24];
    snprintf(cpu, sizeof cpu, "%lld", (long long)(c->cpu > 0 ? c->cpu : 1));
    json_w_array(w, "env");
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        add_env(w, fixed[i][0], fixed[i][1]);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        add_env(w, threads[i], cpu);
    for (size_t i = 0; i < ARRAY_LEN(proxy) && c->network == NETWORK_ALLOW; i++)
        add_env(w, proxy[i], GUEST_PROXY_URL);
    if (c->network == NETWORK_ALLOW) {
        add_env(w, "NO_PROXY", "localhost,127.0.0.1,::1");
        add_env(w, "no_proxy", "localhost,127.0.0.1,::1");
    }
    for (size_t i = 0; i < c->env_count && cfg->env_values != NULL; i++) {
        if (cfg->env_values[i] != NULL)
            add_env(w, c->env[i], cfg->env_values[i]);
    }
    json_w_close_array(w);
}

void kernel_queue_setup(struct kernel *k, const struct kernel_config *cfg)
{
    const struct contract *c = cfg->contract;
    struct buf json;
    struct json_w w;
    kernel_begin_json(&w, &json, "setup");
    json_w_int(&w, "nproc", cfg->nproc);
    json_w_int(&w, "nofile", 256);
    json_w_int(&w, "fsize", c->disk_mib << 20);
    json_w_int(&w, "watch", cfg->watch_memory ? c->memory_mib << 20 : 0);
    json_w_int(&w, "keep", k->checkpoints ? 8 : 0);
    json_w_bool(&w, "once", c->lifecycle == LIFECYCLE_RUN);
    json_w_str(&w, "python", k->python);
    add_environment(&w, cfg);
    json_w_close_object(&w);
    INVARIANT(json_w_end(&w) == 0);
    kernel_frame(&k->out, FRAME_CONTROL, json.ptr, json.len);
    buf_release(&json);
}

void kernel_queue_start(struct kernel *k)
{
    struct buf json;
    struct json_w w;
    const char *path = kernel_language(k->start) == KERNEL_PYTHON ? k->python
                       : kernel_language(k->start) == KERNEL_BASH ? "/usr/bin/bash"
                                                                  : "/usr/bin/node";
    kernel_begin_json(&w, &json, "start");
    kernel_send_body(k, &json, &w, k->start, strlen(k->start), path, strlen(path), &k->out);
}
