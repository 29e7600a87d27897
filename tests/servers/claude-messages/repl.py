"""repl.py - the interpreter of a test container: cells come one after the other and share their names, each may wait at its top level, its
output goes where its descriptors say. One JSON object a cell on a SEQPACKET socket (descriptor 3), descriptors for 1 and 2 beside it.

    repl.py [thread]    cells run beside the main thread
"""
import ast
import asyncio
import inspect
import json
import os
import socket
import sys
import threading
import traceback


async def execute(text, space):
    try:
        made = eval(compile(text, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), space)
        if inspect.isawaitable(made):
            await made
        return 0
    except BaseException:
        traceback.print_exc()
        return 1


async def serve(sock):
    space = {"__name__": "__main__"}
    while True:
        data, fds, _, _ = socket.recv_fds(sock, 1 << 21, 2)
        if not data:
            return
        m = json.loads(data)
        for i, fd in enumerate(fds):
            os.dup2(fd, i + 1)
            os.close(fd)
        os.environ["OUTPUT_DIR"] = m["output"]
        code = await execute(m["code"], space)
        sys.stdout.flush()
        sys.stderr.flush()
        null = os.open("/dev/null", os.O_WRONLY)
        for i in (1, 2):
            os.dup2(null, i)
        os.close(null)
        sock.send(json.dumps({"code": code}).encode())


def main():
    sock = socket.socket(fileno=3)
    if sys.argv[1:] != ["thread"]:
        asyncio.run(serve(sock))
        return
    t = threading.Thread(target=lambda: asyncio.run(serve(sock)))
    t.start()
    t.join()


main()
