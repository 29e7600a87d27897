/* floor_start.c - a process with the shared objects of Airlock that says one line. */
#include <cjson/cJSON.h>
#include <curses.h>
#include <ini.h>
#include <md4c.h>
#include <openssl/crypto.h>
#include <png.h>
#include <seccomp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <readline/readline.h>
#include <utf8proc.h>

typedef void (*any_fn)(void);

/* Named, so that the linker keeps them. */
static volatile any_fn needed[] = { (any_fn)cJSON_Parse,  (any_fn)initscr,
                                    (any_fn)ini_parse,    (any_fn)md_parse,
                                    (any_fn)readline,     (any_fn)OpenSSL_version_num,
                                    (any_fn)png_sig_cmp,  (any_fn)sqlite3_open,
                                    (any_fn)seccomp_init, (any_fn)utf8proc_version };

int main(void)
{
    return puts(needed[0] != NULL ? "floor 0.1.0" : "") < 0;
}
