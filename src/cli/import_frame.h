/* import_frame.h - what the reader of a bundle says to the importer, through a pipe: a frame, then
 * name, body and blob. Both are the same program. Of import.c and its tests. */
#ifndef AIRLOCK_CLI_IMPORT_FRAME_H
#define AIRLOCK_CLI_IMPORT_FRAME_H

#include <stdint.h>

enum frame_kind { FRAME_EVENT = 1, FRAME_ERASED, FRAME_END, FRAME_FAILED };
struct frame {
    uint32_t kind, run, stream, name_len, has_blob;
    uint64_t line, offset, body_len, blob_len;
    int64_t at_us;
    int32_t code; /* FAILED: enum err_code; the body is the message */
};

#endif
