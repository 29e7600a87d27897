#!/bin/sh
# embed.sh OUT FILE... - write the assembler file behind src/base/share.h. Names are sorted by the caller.
set -eu
out=$1
shift
{
    printf '.section .rodata\n'
    i=0
    for f in "$@"; do
        printf 'name%d: .asciz "%s"\n' "$i" "${f#share/}"
        printf '.balign 16\ndata%d: .incbin "%s"\nend%d: .byte 0\n' "$i" "$f" "$i"
        i=$((i + 1))
    done
    printf '.section .data.rel.ro,"aw",@progbits\n.balign 16\n.global share_table, share_table_count\nshare_table:\n'
    j=0
    while [ "$j" -lt "$i" ]; do
        printf '.quad name%d, data%d, end%d - data%d\n' "$j" "$j" "$j" "$j"
        j=$((j + 1))
    done
    printf '.section .rodata\n.balign 8\nshare_table_count: .quad %d\n' "$i"
    printf '.section .note.GNU-stack,"",@progbits\n'
} >"$out"
