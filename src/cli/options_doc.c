/* options_doc.c - help, man page and shell completions, printed from the tables. */
#include <string.h>

#include "cli/commands.h"
#include "cli/config.h"
#include "cli/options.h"
#include "tool/contract.h"
#include "ui/keymap.h"

#define BIT(id) (1ul << (id))

static const char *const exit_codes[][2] = {
    { "0", "done" },
    { "1", "the work failed, or a check was refuted" },
    { "2", "usage" },
    { "3", "something needed is missing or unreachable" },
    { "4", "denied at the gate, or refused to be on the safe side" },
    { "5", "integrity: hash, chain or capsule" },
    { "6", "a budget or limit ended it" },
    { "124", "exec: timed out" },
    { "125", "exec: Airlock itself failed" },
    { "126", "exec: denied" },
    { "128+N", "exec: killed by signal N" },
    { "130", "interrupted" },
};

static const char *const environment[][2] = {
    { "AIRLOCK_DATA_DIR", "where sessions are kept" },
    { "AIRLOCK_CONFIG", "the configuration file" },
    { "XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR", "the base directories" },
    { "ANTHROPIC_API_KEY", "the key of the planner anthropic; or ANTHROPIC_AUTH_TOKEN" },
    { "ANTHROPIC_BASE_URL, ANTHROPIC_VERSION", "another address, another version of the API" },
    { "ANTHROPIC_CUSTOM_HEADERS", "lines of Name: Value, sent with every request" },
    { "OPENAI_API_KEY", "the key of the planner openai; a server on this machine needs none" },
    { "OPENAI_BASE_URL", "its address, mostly ending in /v1" },
    { "OPENAI_ORG_ID, OPENAI_PROJECT_ID", "as the vendor's clients send them" },
    { "EDITOR, VISUAL", "the editor for code at the gate" },
    { "NO_COLOR", "when set and not empty: no colours" },
    { "ACCESSIBLE", "when set and not empty: lines instead of a screen" },
    { "TERM", "dumb or unset: lines instead of a screen" },
};

static const char *const files[][2] = {
    { "$XDG_CONFIG_HOME/airlock/config.ini", "configuration, mode 0600" },
    { "$XDG_DATA_HOME/airlock/sessions/ID.db",
      "one session: events, output, variables, checkpoints" },
    { "$XDG_DATA_HOME/airlock/index.db", "derived list of sessions; may be deleted" },
    { "$XDG_STATE_HOME/airlock/log", "log, one JSON object per line" },
    { "$XDG_STATE_HOME/airlock/history", "history of the prompt" },
};

/* ---- help ---- */

static void print_option(const struct option_spec *o, struct buf *out)
{
    struct buf left = BUF_INIT(256);
    if (o->letter != 0)
        (void)buf_addf(&left, "-%c, ", o->letter);
    (void)buf_addf(&left, "--%s%s%s", o->name, o->takes != NULL ? " " : "",
                   o->takes != NULL ? o->takes : "");
    (void)buf_addf(out, "  %-30s %s\n", buf_str(&left), o->help);
    buf_release(&left);
}

static void print_options(unsigned long which, struct buf *out)
{
    size_t count;
    const struct option_spec *o = option_table(&count);
    for (size_t i = 0; i < count; i++) {
        if (which & BIT(o[i].id))
            print_option(&o[i], out);
    }
}

static void print_commands(struct buf *out)
{
    size_t count;
    const struct command *c = command_table(&count);
    for (size_t i = 0; i < count; i++) {
        struct buf left = BUF_INIT(256);
        (void)buf_addf(&left, "airlock%s%s %s", c[i].name[0] != '\0' ? " " : "", c[i].name,
                       c[i].args);
        if (left.len > 34)
            (void)buf_addf(out, "  %s\n  %-34s %s\n", buf_str(&left), "", c[i].help);
        else
            (void)buf_addf(out, "  %-34s %s\n", buf_str(&left), c[i].help);
        buf_release(&left);
    }
}

static void print_contract_keys(struct buf *out)
{
    size_t count;
    const struct contract_key *k = contract_keys(&count);
    (void)buf_add_str(out, "\nContract keys (-c KEY=VALUE), default in brackets:\n");
    for (size_t i = 0; i < count; i++)
        (void)buf_addf(out, "  %-13s %-28s %s [%s]\n", k[i].key, k[i].takes, k[i].help, k[i].dflt);
}

void options_print_help(const struct command *cmd, struct buf *out)
{
    if (cmd != NULL) {
        (void)buf_addf(out, "airlock %s %s\n  %s\n\nOptions:\n", cmd->name, cmd->args, cmd->help);
        print_options(cmd->options, out);
        print_options(option_everywhere() & ~cmd->options, out);
        return;
    }
    (void)buf_add_str(out, "Airlock: supervise agents that write and run code. You approve bytes, "
                           "and only those run.\n\n");
    print_commands(out);
    (void)buf_add_str(out, "\nID is a session's id, a unique prefix, its name, or `last`; ID:7 is "
                           "run 7.\n\nOptions:\n");
    print_options(~0ul, out);
    print_contract_keys(out);
    (void)buf_add_str(out, "\n");
    (void)keymap_print_help(0, out);
    (void)buf_add_str(out, "\nExit codes:\n");
    for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
        (void)buf_addf(out, "  %-6s %s\n", exit_codes[i][0], exit_codes[i][1]);
    (void)buf_add_str(out, "\nMore: man airlock\n");
}

/* ---- man page ---- */

static void man_pairs(const char *const (*pairs)[2], size_t count, const char *macro,
                      struct buf *out)
{
    (void)buf_add_str(out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < count; i++)
        (void)buf_addf(out, ".It %s%s\n%s\n", macro, pairs[i][0], pairs[i][1]);
    (void)buf_add_str(out, ".El\n");
}

static void man_commands(struct buf *out)
{
    size_t count;
    const struct command *c = command_table(&count);
    (void)buf_add_str(out, ".Sh COMMANDS\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < count; i++)
        (void)buf_addf(out, ".It Nm airlock %s %s\n%s.\n", c[i].name, c[i].args, c[i].help);
    (void)buf_add_str(
        out,
        ".El\n.Pp\n.Ar ID\nis a session's id, a unique prefix, its name, or\n.Ql last ;\n.Ql ID:7\n"
        "is run 7.\nA first word within two letters of a command is taken for a slip;\n.Ql --\n"
        "makes it a task.\n");
}

static void man_options(struct buf *out)
{
    size_t count;
    const struct option_spec *o = option_table(&count);
    const struct contract_key *k;
    (void)buf_add_str(out, ".Sh OPTIONS\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < count; i++) {
        if (o[i].letter != 0)
            (void)buf_addf(out, ".It Fl %c , -%s%s%s\n%s.\n", o[i].letter, o[i].name,
                           o[i].takes ? " Ar " : "", o[i].takes ? o[i].takes : "", o[i].help);
        else
            (void)buf_addf(out, ".It Fl -%s%s%s\n%s.\n", o[i].name, o[i].takes ? " Ar " : "",
                           o[i].takes ? o[i].takes : "", o[i].help);
    }
    (void)buf_add_str(out, ".El\n.Ss Contract keys\n.Bl -tag -width Ds\n");
    k = contract_keys(&count);
    for (size_t i = 0; i < count; i++)
        (void)buf_addf(out, ".It Cm %s Ns = Ns Ar %s\n%s.\nDefault: %s.\n", k[i].key, k[i].takes,
                       k[i].help, k[i].dflt);
    (void)buf_add_str(out, ".El\n");
}

static void man_config(struct buf *out)
{
    size_t count;
    const struct config_key *k = config_keys(&count);
    (void)buf_add_str(out, ".Sh CONFIGURATION\nKeys of\n.Pa config.ini ;\n.Ql section.key\nstands "
                           "under\n.Ql [section]\nin the file.\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < count; i++) {
        (void)buf_addf(out, ".It Cm %s No = Ar %s\n%s.\n", k[i].key, k[i].takes, k[i].help);
        if (k[i].dflt[0] != '\0')
            (void)buf_addf(out, "Default: %s.\n", k[i].dflt);
    }
    (void)buf_add_str(out, ".It Cm contract. Ns Ar KEY No = Ar VALUE\nas for\n.Fl c .\n.El\n");
}

/* mdoc wants each sentence on a line of its own, and takes `At` for a macro. */
static void man_tidy(const struct buf *raw, struct buf *out)
{
    bool macro = false;
    for (size_t i = 0; i < raw->len; i++) {
        const char *p = raw->ptr + i;
        if (i == 0 || p[-1] == '\n')
            macro = *p == '.';
        if (macro && strncmp(p, ".Ss At ", 7) == 0) {
            (void)buf_add_str(out, ".Ss \\&");
            i += 3;
        } else if (!macro && *p == ' ' && i > 0 && p[-1] == '.' && p[1] >= 'A' && p[1] <= 'Z') {
            (void)buf_add_char(out, '\n');
        } else {
            (void)buf_add_char(out, *p);
        }
    }
}

static void print_raw_man(struct buf *out)
{
    (void)buf_add_str(
        out, ".\\\" Printed by `airlock help man` from the tables in the program; do not edit.\n"
             ".Dd November 22, 2026\n.Dt AIRLOCK 1\n.Os\n.Sh NAME\n.Nm airlock\n"
             ".Nd supervise agents that write and run code\n.Sh SYNOPSIS\n.Nm\n.Op Ar options\n"
             ".Op Ar command | task\n.Sh DESCRIPTION\n.Nm\nshows a plan, the code, the output of a "
             "sandbox "
             "(standard output and standard\nerror apart) and an approval gate side by side.\n"
             "Code runs in a sandbox or not at all, and only after the exact bytes were\n"
             "approved.\nEvery session is kept in one SQLite file with a hash chain.\n.Pp\nAt the "
             "prompt, text is a "
             "task or a message to the planner;\n.Ql !code\nis your own code\n.Ql ( !py , !js , "
             "!sh\nname the language), and\n"
             ".Ql \\&:\nstarts a command.\n");
    man_commands(out);
    man_options(out);
    (void)keymap_print_man(out);
    man_config(out);
    (void)buf_add_str(out, ".Sh ENVIRONMENT\n");
    man_pairs(environment, ARRAY_LEN(environment), "Ev ", out);
    (void)buf_add_str(out, ".Sh FILES\n");
    man_pairs(files, ARRAY_LEN(files), "Pa ", out);
    (void)buf_add_str(out, ".Sh EXIT STATUS\n");
    man_pairs(exit_codes, ARRAY_LEN(exit_codes), "", out);
    (void)buf_add_str(
        out,
        ".Sh EXAMPLES\n.Dl $ airlock\n.Dl $ echo 'print(6*7)' | airlock exec --lease runs=1 -\n"
        ".Dl $ airlock run -p runbook:tour.md --lease runs=20 --json\n.Dl $ airlock verify last\n"
        ".Sh SEE ALSO\n.Xr bwrap 1 ,\n.Xr sqlite3 1\n");
}

void options_print_man(struct buf *out)
{
    struct buf raw = BUF_INIT((size_t)1 << 20);
    print_raw_man(&raw);
    man_tidy(&raw, out);
    buf_release(&raw);
}

/* ---- completions ---- */

static void words_of_commands(struct buf *out)
{
    size_t count;
    const struct command *c = command_table(&count);
    for (size_t i = 1; i < count; i++)
        (void)buf_addf(out, "%s%s", i > 1 ? " " : "", c[i].name);
}

static void words_of_options(struct buf *out)
{
    size_t count;
    const struct option_spec *o = option_table(&count);
    for (size_t i = 0; i < count; i++)
        (void)buf_addf(out, "%s--%s", i > 0 ? " " : "", o[i].name);
}

static void print_bash(struct buf *out)
{
    (void)buf_add_str(
        out,
        "# bash completion for airlock\n_airlock() {\n    local cur=${COMP_WORDS[COMP_CWORD]}\n"
        "    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W '");
    words_of_options(out);
    (void)buf_add_str(out, "' -- \"$cur\"))\n    elif [[ $COMP_CWORD -eq 1 ]]; then\n        "
                           "COMPREPLY=($(compgen -W '");
    words_of_commands(out);
    (void)buf_add_str(
        out, "' -- \"$cur\"))\n    else\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}\n"
             "complete -o filenames -F _airlock airlock\n");
}

/* Within single quotes of zsh and of fish. */
static void put_quoted(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            (void)buf_add_str(out, "'\\''");
        else
            (void)buf_add_char(out, *s);
    }
}

static void print_zsh(struct buf *out)
{
    size_t count;
    const struct command *c = command_table(&count);
    const struct option_spec *o;
    (void)buf_add_str(out,
                      "#compdef airlock\n_airlock() {\n    local -a commands\n    commands=(\n");
    for (size_t i = 1; i < count; i++) {
        (void)buf_addf(out, "        '%s:", c[i].name);
        put_quoted(out, c[i].help);
        (void)buf_add_str(out, "'\n");
    }
    (void)buf_add_str(out, "    )\n    _arguments -s \\\n");
    o = option_table(&count);
    for (size_t i = 0; i < count; i++) {
        (void)buf_addf(out, "        '--%s[", o[i].name);
        put_quoted(out, o[i].help);
        (void)buf_addf(out, "]%s' \\\n", o[i].takes ? ":value:" : "");
    }
    (void)buf_add_str(
        out,
        "        '1:command:{_describe command commands}' '*:file:_files'\n}\n_airlock \"$@\"\n");
}

static void print_fish(struct buf *out)
{
    size_t count;
    const struct command *c = command_table(&count);
    const struct option_spec *o;
    for (size_t i = 1; i < count; i++) {
        (void)buf_addf(out, "complete -c airlock -n __fish_use_subcommand -a %s -d '", c[i].name);
        put_quoted(out, c[i].help);
        (void)buf_add_str(out, "'\n");
    }
    o = option_table(&count);
    for (size_t i = 0; i < count; i++) {
        (void)buf_addf(out, "complete -c airlock -l %s", o[i].name);
        if (o[i].letter != 0)
            (void)buf_addf(out, " -s %c", o[i].letter);
        (void)buf_addf(out, "%s -d '", o[i].takes ? " -r" : "");
        put_quoted(out, o[i].help);
        (void)buf_add_str(out, "'\n");
    }
}

void options_print_completion(const char *shell, struct buf *out)
{
    if (strcmp(shell, "zsh") == 0)
        print_zsh(out);
    else if (strcmp(shell, "fish") == 0)
        print_fish(out);
    else
        print_bash(out);
}
