/* fuzz_runbook.c - whatever is read as a runbook is one: steps with code, checks that parse, valid
 * UTF-8; a mistake is told with a line.
 */
#include <string.h>

#include "base/utf8.h"
#include "providers/expectation.h"
#include "providers/planners/runbook_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_step(const struct runbook_step *s)
{
    struct expectation x;
    INVARIANT(s->block_count >= 1 && s->block_count <= RUNBOOK_BLOCKS_MAX);
    INVARIANT(s->title[0] != '\0' && s->id[0] != '\0');
    INVARIANT(expectation_parse(&x, s->expect, strlen(s->expect), NULL) == 0);
    expectation_release(&x);
    for (size_t i = 0; i < s->block_count; i++) {
        const struct runbook_block *b = &s->blocks[i];
        INVARIANT(strlen(b->code) == b->code_len && b->code_len > 0);
        INVARIANT(b->code[b->code_len - 1] == '\n' && utf8_is_valid(b->code, b->code_len));
        INVARIANT(b->purpose[0] != '\0' && b->line > s->line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct runbook rb;
    struct err e = ERR_INIT;
    if (runbook_parse(&rb, "f.md", (const char *)data, size, &e) < 0) {
        INVARIANT(e.code == ERR_LIMIT || e.code == ERR_FORMAT);
        INVARIANT(e.code == ERR_LIMIT || strncmp(e.msg, "f.md:", 5) == 0);
        return 0;
    }
    INVARIANT(rb.step_count >= 1 && rb.title != NULL && rb.task != NULL && rb.file_count == 0);
    for (size_t i = 0; i < rb.step_count; i++)
        check_step(&rb.steps[i]);
    runbook_release(&rb);
    return 0;
}
