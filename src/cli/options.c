/* options.c - parsing the command line from the one table of commands and options. */
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"

#define BIT(id) (1ul << (id))
#define SESSION (BIT(OPT_PLANNER) | BIT(OPT_SANDBOX) | BIT(OPT_CONTRACT) | BIT(OPT_BUDGET))
#define UNASKED (BIT(OPT_LEASE) | BIT(OPT_POLICY))
#define FRAMES  (BIT(OPT_FRAMES) | BIT(OPT_SIZE))
#define EVERYWHERE                                                                                 \
    (SESSION | BIT(OPT_DATA) | BIT(OPT_CONFIG) | BIT(OPT_PLAIN) | BIT(OPT_JSON) |                  \
     BIT(OPT_NO_COLOR) | BIT(OPT_QUIET) | BIT(OPT_VERBOSE) | BIT(OPT_VERSION) | BIT(OPT_HELP) |    \
     BIT(OPT_THEME))

static const struct option_spec option_specs[] = {
    { OPT_PLANNER, 'p', "planner", "NAME[:MODEL]",
      "who plans: human, runbook:FILE.md, anthropic, openai:MODEL" },
    { OPT_SANDBOX, 's', "sandbox", "NAME[:IMAGE]",
      "where code runs: local, e2b, e2b:TEMPLATE,kernel=ours, claude-managed, claude-messages, "
      "claude-messages:MODEL,kernel=repl" },
    { OPT_CONTRACT, 'c', "contract", "KEY=VALUE|FILE",
      "one field of the sandbox's contract, or a file of them; repeatable" },
    { OPT_BUDGET, 0, "budget", "USD", "hard stop on what the session may cost" },
    { OPT_DATA, 0, "data", "DIR", "keep sessions below DIR" },
    { OPT_CONFIG, 0, "config", "FILE", "read this configuration file" },
    { OPT_PLAIN, 0, "plain", NULL, "lines instead of a screen" },
    { OPT_JSON, 0, "json", NULL, "events or answers as JSON, one per line" },
    { OPT_NO_COLOR, 0, "no-color", NULL, "no colours" },
    { OPT_THEME, 0, "theme", "NAME", "default, light, mono, high-contrast" },
    { OPT_QUIET, 'q', "quiet", NULL, "say less" },
    { OPT_VERBOSE, 'v', "verbose", NULL, "log more" },
    { OPT_VERSION, 0, "version", NULL, "print the version" },
    { OPT_HELP, 'h', "help", NULL, "print this help" },
    { OPT_LEASE, 0, "lease", "runs=N[,minutes=M]",
      "approve that much without asking, while its conditions hold" },
    { OPT_POLICY, 0, "policy", "FILE", "approve the code keys that FILE names" },
    { OPT_EXPECT, 0, "expect", "CHECK", "judge the run by CHECK, such as 'stdout contains 42'" },
    { OPT_LANGUAGE, 'l', "language", "NAME",
      "python, javascript or bash; else from the file's name" },
    { OPT_ALL, 'a', "all", NULL, "every one" },
    { OPT_WHAT, 0, "what", "LIST",
      "compare code, stdout, stderr, result, vars, end, files, merged (both streams), or all" },
    { OPT_MASK, 0, "mask", "LIST|all|none",
      "what a comparison ignores: time, date, duration, pid, …" },
    { OPT_WORD, 0, "word", NULL, "mark the words that differ" },
    { OPT_SIDE_BY_SIDE, 0, "side-by-side", NULL, "two columns" },
    { OPT_BY, 0, "by", "WHAT", "session, sandbox, model or day" },
    { OPT_WHAT_IF, 0, "what-if", NULL, "the same calls at the prices of each known model" },
    { OPT_RUNS, 0, "runs", "A-B", "only these runs" },
    { OPT_FORMAT, 0, "format", "NAME", "md, html, ipynb, jsonl or cast" },
    { OPT_OUTPUT, 'o', "output", "FILE", "write to FILE instead of standard output" },
    { OPT_RAW, 0, "raw", NULL, "as recorded: neither cleaned nor without secrets" },
    { OPT_VAR, 0, "var", "NAME", "when that variable (or \"file PATH\") changed, and to what" },
    { OPT_INTO, 0, "into", "ID",
      "go on in that session instead of a new one: its variables change" },
    { OPT_FORCE, 0, "force", NULL, "write over a file that exists" },
    { OPT_ARTIFACTS, 0, "artifacts", NULL, "write results as files beside, in FILE.files/" },
    { OPT_ON, 0, "on", "NAME[:IMAGE]", "in this sandbox instead of the recorded one" },
    { OPT_JOBS, 0, "jobs", "N", "that many sandboxes side by side" },
    { OPT_SPEED, 0, "speed", "X", "times the recorded speed, 0.25 to 64" },
    { OPT_IDLE_CAP, 0, "idle-cap", "SECONDS", "cut longer pauses to this; 0 keeps them (2)" },
    { OPT_FROM, 0, "from", "RUN", "begin at this run" },
    { OPT_SIZE, 0, "size", "COLSxROWS", "of the screen in frames and casts" },
    { OPT_HIDE_DECISIONS, 0, "hide-decisions", NULL,
      "stop at each gate; what was decided is shown on a key" },
    { OPT_FRAMES, 0, "frames", "FILE|-", "write number and hash of the frame after each event" },
};

static const struct command command_specs[] = {
    { "", "[TASK]", "open the screen; TASK starts a session at once", BIT(OPT_LEASE) | FRAMES,
      cmd_screen, true },
    { "resume", "ID", "open a saved session where it stopped", BIT(OPT_LEASE) | FRAMES, cmd_resume,
      true },
    { "fork", "ID[:RUN]", "a session of its own that begins with the variables after the run",
      BIT(OPT_LEASE), cmd_fork, true },
    { "tree", "ID", "the branches of a session, and the sessions forked from it", 0, cmd_tree,
      false },
    { "run", "TASK", "one supervised session without a screen", UNASKED | FRAMES, cmd_run, true },
    { "exec", "FILE|- [ARG…]", "run your own code through the gate and the sandbox",
      UNASKED | BIT(OPT_EXPECT) | BIT(OPT_LANGUAGE), cmd_exec, true },
    { "sessions",
      "[QUERY] | rename ID NAME | tag ID TAG… | rm ID… | undelete ID… | archive ID… | unarchive "
      "ID… | trash | purge ID…",
      "list, rename, tag, delete, bring back or archive sessions", BIT(OPT_ALL), cmd_sessions,
      true },
    { "show", "ID[:RUN]", "a session or one run: plan, code, decision, output, verdict, variables",
      BIT(OPT_VAR), cmd_show, false },
    { "diff", "A B", "compare two runs (ID:RUN) or two sessions; exit 1 when they differ",
      BIT(OPT_WHAT) | BIT(OPT_MASK) | BIT(OPT_WORD) | BIT(OPT_SIDE_BY_SIDE), cmd_diff, false },
    { "rerun", "ID…", "run the approved code of sessions again and compare with the record",
      UNASKED | BIT(OPT_RUNS) | BIT(OPT_ON) | BIT(OPT_MASK) | BIT(OPT_JOBS) | BIT(OPT_INTO),
      cmd_rerun, true },
    { "replay", "ID[:RUN]", "watch a recorded session again; executes nothing",
      BIT(OPT_SPEED) | BIT(OPT_IDLE_CAP) | BIT(OPT_FROM) | BIT(OPT_SIZE) | BIT(OPT_FRAMES) |
          BIT(OPT_HIDE_DECISIONS),
      cmd_replay, false },
    { "export", "ID", "a session as Markdown, a page, a notebook, a bundle or a cast",
      BIT(OPT_FORMAT) | BIT(OPT_OUTPUT) | BIT(OPT_RAW) | BIT(OPT_FORCE) | BIT(OPT_RUNS) |
          BIT(OPT_ARTIFACTS) | BIT(OPT_SIZE),
      cmd_export, false },
    { "import", "FILE|-", "take in an exported bundle (jsonl), to be looked at only", 0, cmd_import,
      false },
    { "search", "TEXT [FILTER…]", "in tasks, plans, code, errors and output of all sessions",
      BIT(OPT_ALL), cmd_search, false },
    { "stats", "[QUERY]",
      "decisions by rule and finding, time at the gate, denials, cost; --policy: what it would "
      "change",
      BIT(OPT_POLICY) | BIT(OPT_ALL), cmd_stats, false },
    { "cost", "[ID]",
      "tokens, money and sandbox time: of a session call by call, or of all by --by",
      BIT(OPT_BY) | BIT(OPT_WHAT_IF), cmd_cost, false },
    { "verify", "ID|--all", "check the hash chain", BIT(OPT_ALL), cmd_verify, false },
    { "providers", "",
      "planners and sandboxes: ready, or what is missing; with -p the models of one planner", 0,
      cmd_providers, true },
    { "contract", "[ID]",
      "what the sandbox must keep and whether it can; of a session: as recorded. Its output is a "
      "file for -c",
      0, cmd_contract, true },
    { "doctor", "[PROBE...]",
      "what is installed, what is missing and the fix; the isolation probes, run for real", 0,
      cmd_doctor, true },
    { "sandboxes", "[reap [ID…]|adopt ID…|ignore ID…|show ID…]",
      "remote sandboxes and snapshots that may cost money; reap ends what no session holds, adopt "
      "pauses it for its session, show says what it uses",
      0, cmd_sandboxes, true },
    { "config", "[list|get KEY|set KEY VALUE|path]", "read or change the configuration", 0,
      cmd_config, false },
    { "help", "[COMMAND|man|bash|zsh|fish]",
      "help on a command, the man page, or completions for a shell", 0, cmd_help, false },
};

const struct option_spec *option_table(size_t *count)
{
    *count = ARRAY_LEN(option_specs);
    return option_specs;
}

unsigned long option_everywhere(void)
{
    return EVERYWHERE;
}

const struct command *command_table(size_t *count)
{
    *count = ARRAY_LEN(command_specs);
    return command_specs;
}

static const struct option_spec *find_long(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(option_specs); i++) {
        if (strlen(option_specs[i].name) == len && memcmp(option_specs[i].name, name, len) == 0)
            return &option_specs[i];
    }
    return NULL;
}

static const struct option_spec *find_short(char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(option_specs); i++) {
        if (option_specs[i].letter == letter)
            return &option_specs[i];
    }
    return NULL;
}

unsigned word_distance(const char *a, const char *b)
{
    enum { LONGEST = 32, FAR = 3 };
    unsigned row[3][LONGEST + 1];
    size_t la = strlen(a), lb = strlen(b);
    if (la > LONGEST || lb > LONGEST)
        return FAR;
    for (size_t j = 0; j <= lb; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);
            best = up[j] + 1 < best ? up[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[la % 3][lb] < FAR ? row[la % 3][lb] : FAR;
}

static int unknown_option(const char *word, struct err *e)
{
    const char *name = word + strspn(word, "-"), *near = NULL;
    size_t best = strlen(name) / 2 < 2 ? strlen(name) / 2 : 2; /* of a letter, none is near */
    for (size_t i = 0; i < ARRAY_LEN(option_specs); i++) {
        size_t away = word_distance(name, option_specs[i].name);
        if (away < best || (away == best && near == NULL)) {
            near = option_specs[i].name;
            best = away;
        }
    }
    if (near != NULL)
        return err_set(e, ERR_USAGE,
                       "unknown option %.40s (did you mean --%s?); see airlock --help", word, near);
    return err_set(e, ERR_USAGE, "unknown option %.40s; see airlock --help", word);
}

static int take(struct parsed *out, const struct option_spec *o, const char *value, struct err *e)
{
    struct options *opt = &out->opt;
    switch (o->id) {
    case OPT_PLANNER:
        opt->planner = value;
        break;
    case OPT_SANDBOX:
        opt->sandbox = value;
        break;
    case OPT_CONTRACT:
        if (opt->contract_count == ARRAY_LEN(opt->contract))
            return err_set(e, ERR_USAGE, "more than %zu --contract options",
                           ARRAY_LEN(opt->contract));
        opt->contract[opt->contract_count++] = value;
        break;
    case OPT_BUDGET:
        opt->budget = value;
        break;
    case OPT_DATA:
        opt->data = value;
        break;
    case OPT_CONFIG:
        opt->config = value;
        break;
    case OPT_PLAIN:
        opt->plain = true;
        break;
    case OPT_JSON:
        opt->json = true;
        break;
    case OPT_NO_COLOR:
        opt->no_color = true;
        break;
    case OPT_THEME:
        opt->theme = value;
        break;
    case OPT_QUIET:
        opt->quiet = true;
        break;
    case OPT_VERBOSE:
        opt->verbose = true;
        break;
    case OPT_VERSION:
        out->want_version = true;
        break;
    case OPT_HELP:
        out->want_help = true;
        break;
    case OPT_LEASE:
        opt->lease = value;
        break;
    case OPT_POLICY:
        opt->policy = value;
        break;
    case OPT_EXPECT:
        opt->expect = value;
        break;
    case OPT_LANGUAGE:
        opt->language = value;
        break;
    case OPT_ALL:
        opt->all = true;
        break;
    case OPT_WHAT:
        opt->what = value;
        break;
    case OPT_MASK:
        opt->mask = value;
        break;
    case OPT_BY:
        opt->by = value;
        break;
    case OPT_WHAT_IF:
        opt->what_if = true;
        break;
    case OPT_WORD:
        opt->word = true;
        break;
    case OPT_SIDE_BY_SIDE:
        opt->side_by_side = true;
        break;
    case OPT_RUNS:
        opt->runs = value;
        break;
    case OPT_ON:
        opt->on = value;
        break;
    case OPT_JOBS:
        opt->jobs = value;
        break;
    case OPT_SPEED:
        opt->speed = value;
        break;
    case OPT_IDLE_CAP:
        opt->idle_cap = value;
        break;
    case OPT_FROM:
        opt->from = value;
        break;
    case OPT_FORMAT:
        opt->format = value;
        break;
    case OPT_OUTPUT:
        opt->output = value;
        break;
    case OPT_RAW:
        opt->raw = true;
        break;
    case OPT_VAR:
        opt->var = value;
        break;
    case OPT_INTO:
        opt->into = value;
        break;
    case OPT_FORCE:
        opt->force = true;
        break;
    case OPT_ARTIFACTS:
        opt->artifacts = true;
        break;
    case OPT_SIZE:
        opt->size = value;
        break;
    case OPT_FRAMES:
        opt->frames = value;
        break;
    case OPT_HIDE_DECISIONS:
        opt->hide_decisions = true;
        break;
    case OPT_COUNT:
        break;
    }
    return 0;
}

/* "-qv" is "-q -v": as long as the letters take no value. Returns the letter that is left. */
static const char *take_flags(struct parsed *out, const char *letters, unsigned long *seen)
{
    struct err none = ERR_INIT;
    while (letters[0] != '\0' && letters[1] != '\0') {
        const struct option_spec *o = find_short(letters[0]);
        if (o == NULL || o->takes != NULL || take(out, o, NULL, &none) < 0)
            break;
        *seen |= BIT(o->id);
        letters++;
    }
    return letters;
}

/* One word that starts with '-'. Moves *i past a value that stands in the next word. */
static int parse_option(struct parsed *out, int argc, char **argv, int *i, unsigned long *seen,
                        struct err *e)
{
    const char *word = argv[*i], *value = NULL;
    const struct option_spec *o;
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");
        o = find_long(word + 2, len);
        value = word[2 + len] == '=' ? word + 3 + len : NULL;
    } else {
        const char *letter = take_flags(out, word + 1, seen);
        o = find_short(letter[0]);
        value = letter[0] != '\0' && letter[1] != '\0' ? letter + 1 : NULL;
    }
    if (o == NULL)
        return unknown_option(word, e);
    if (o->takes == NULL && value != NULL)
        return err_set(e, ERR_USAGE, "--%s takes no value", o->name);
    if (o->takes != NULL && value == NULL) {
        if (*i + 1 >= argc)
            return err_set(e, ERR_USAGE, "--%s needs %s", o->name, o->takes);
        value = argv[++*i];
    }
    *seen |= BIT(o->id);
    return take(out, o, value, e);
}

static const struct command *find_command(const char *word)
{
    for (size_t i = 1; i < ARRAY_LEN(command_specs); i++) {
        if (strcmp(command_specs[i].name, word) == 0)
            return &command_specs[i];
    }
    return NULL;
}

/* `airlock sesions` is a slip of the finger, not a task; `--` forces a task. */
static int check_not_a_slip(const char *word, struct err *e)
{
    if (strpbrk(word, " \t") != NULL)
        return 0;
    for (size_t i = 1; i < ARRAY_LEN(command_specs); i++) {
        if (word_distance(word, command_specs[i].name) <= 2)
            return err_set(
                e, ERR_USAGE,
                "no command '%.40s': did you mean '%s'? (airlock -- %.40s makes it a task)", word,
                command_specs[i].name, word);
    }
    return 0;
}

static int check_allowed(const struct parsed *p, unsigned long seen, struct err *e)
{
    unsigned long bad = seen & ~(EVERYWHERE | p->cmd->options);
    for (size_t i = 0; i < ARRAY_LEN(option_specs); i++) {
        if (bad & BIT(option_specs[i].id))
            return err_set(e, ERR_USAGE, "--%s does not go with '%s'", option_specs[i].name,
                           p->cmd->name[0] != '\0' ? p->cmd->name : "the screen");
    }
    return 0;
}

int options_parse(struct parsed *out, int argc, char **argv, struct err *e)
{
    unsigned long seen = 0;
    bool forced = false;
    *out = (struct parsed){ .cmd = NULL };
    out->opt.args = xcalloc((size_t)argc + 1, sizeof *out->opt.args);
    for (int i = 1; i < argc; i++) {
        /* The words behind `exec FILE` belong to the code. */
        bool own_words = out->cmd != NULL && out->cmd->run == cmd_exec && out->opt.arg_count > 0;
        if (!forced && strcmp(argv[i], "--") == 0) {
            forced = true;
            if (out->cmd == NULL)
                out->cmd = &command_specs[0];
        } else if (!forced && !own_words && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (parse_option(out, argc, argv, &i, &seen, e) < 0)
                return -1;
        } else if (out->cmd == NULL && !forced) {
            out->cmd = find_command(argv[i]);
            if (out->cmd == NULL) {
                if (check_not_a_slip(argv[i], e) < 0)
                    return -1;
                out->cmd = &command_specs[0];
                out->opt.args[out->opt.arg_count++] = argv[i];
            }
        } else {
            out->opt.args[out->opt.arg_count++] = argv[i];
        }
    }
    if (out->cmd == NULL)
        out->cmd = &command_specs[0];
    return check_allowed(out, seen, e);
}

static int parse_count(const char *text, size_t len, int64_t max, int64_t *out)
{
    int64_t n = 0;
    if (len == 0 || len > 6)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        n = n * 10 + (text[i] - '0');
    }
    *out = n;
    return n >= 1 && n <= max ? 0 : -1;
}

int options_parse_lease(const char *text, int64_t *runs, int64_t *minutes, struct err *e)
{
    *runs = *minutes = 0;
    for (const char *s = text; *s != '\0';) {
        size_t n = strcspn(s, ",");
        int rc = -1;
        if (n > 5 && memcmp(s, "runs=", 5) == 0)
            rc = parse_count(s + 5, n - 5, 10000, runs);
        else if (n > 8 && memcmp(s, "minutes=", 8) == 0)
            rc = parse_count(s + 8, n - 8, 1440, minutes);
        if (rc < 0)
            return err_set(e, ERR_USAGE,
                           "lease '%.60s': it is runs=N[,minutes=M], N 1–10000, M 1–1440", text);
        s += n + (s[n] == ',');
    }
    if (*runs == 0)
        return err_set(e, ERR_USAGE, "lease '%.60s': runs=N is missing", text);
    return 0;
}

int options_parse_runs(const char *word, uint32_t *first, uint32_t *last, struct err *e)
{
    char *end;
    *first = 1;
    *last = UINT32_MAX;
    if (word == NULL)
        return 0;
    unsigned long a = strtoul(word, &end, 10), b = a;
    if (*end == '-' && end[1] == '\0')
        b = (end++, UINT32_MAX);
    else if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        b = strtoul(end + 1, &end, 10);
    if (*end != '\0' || word[0] < '0' || word[0] > '9' || a < 1 || b < a || b > UINT32_MAX)
        return err_set(e, ERR_USAGE, "--runs '%.40s': it is N, A-B or A-", word);
    *first = (uint32_t)a;
    *last = (uint32_t)b;
    return 0;
}
