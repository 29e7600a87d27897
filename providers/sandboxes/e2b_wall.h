/* e2b_wall.h - a machine of E2B's as a wall: our guest runs there as a process of the sandbox's
 * daemon, and speaks over its standard input and output. [e2b.md §6, §7]
 *
 * Made, kept alive and ended as every sandbox of e2b.c is; what is inside is ours: the guest and
 * the kernels are put there in one request, then the guest is started as the template's ordinary
 * user. Bytes to it are `SendInput` calls, one under way at a time, each read back from its own
 * final body before it leaves; what it says is a stream of frames. A call whose outcome is not
 * known, a stream that ends and a guest that ends are the end of the machine: nothing is sent
 * twice, nothing is guessed.
 */
#ifndef AIRLOCK_SANDBOXES_E2B_WALL_H
#define AIRLOCK_SANDBOXES_E2B_WALL_H

#include "providers/wall.h"

struct sandbox;

/* Where the machine finds the template's interpreters, whatever directory they lie in there. */
#define E2B_WALL_PYTHON GUEST_DIR "/bin/python3"
#define E2B_WALL_NODE   GUEST_DIR "/bin/node"

extern const struct wall_ops wall_e2b;

/* The sandbox of e2b.c that a wall of this kind is made of: its own farewell and price. Lent. */
struct sandbox *e2b_wall_machine(struct wall *w);

#endif
