/* screen_replay_rules.c - which commands belong to a replay, which only look, and the answer to all
 * the others. A command that is new is refused until it stands here. */
#include "cli/screen_replay.h"

void film_refuse(struct screen *s)
{
    screen_toast(s, TONE_INFO, "this is a replay: nothing can be decided, run or changed in it");
}

bool film_owns(enum keymap_command cmd)
{
    return cmd >= CMD_PLAY && cmd <= CMD_LEAVE_REPLAY;
}

/* What only looks; all else would act on a session that is over. */
bool film_looks(enum keymap_command cmd)
{
    static const enum keymap_command allowed[] = {
        CMD_LEAVE_PROMPT, CMD_FOCUS_GATE, CMD_NEXT_PANE, CMD_PREV_PANE, CMD_PANE,
        CMD_UP,           CMD_DOWN,       CMD_LEFT,      CMD_RIGHT,     CMD_PAGE_UP,
        CMD_PAGE_DOWN,    CMD_HALF_UP,    CMD_HALF_DOWN, CMD_TOP,       CMD_BOTTOM,
        CMD_BACK,         CMD_ZOOM,       CMD_GOTO,      CMD_SEARCH,    CMD_SEARCH_NEXT,
        CMD_SEARCH_PREV,  CMD_SELECT,     CMD_COPY,      CMD_RAW,       CMD_DIFF,
        CMD_BASE,         CMD_MASKS,      CMD_WORD,      CMD_RESULT,    CMD_SAVE,
        CMD_FOLLOW,       CMD_THEME,      CMD_REDRAW,    CMD_HELP,      CMD_COMMAND_LINE,
        CMD_SUSPEND,      CMD_INTERRUPT,  CMD_EXPORT,    CMD_DOCTOR,    CMD_CONTRACT,
    };
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
        if (allowed[i] == cmd)
            return true;
    }
    return false;
}
