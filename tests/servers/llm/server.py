#!/usr/bin/python3
"""Models on loopback: the Messages API (messages.py) and chat completions (chat.py), told apart by the path that is asked.

    server.py SCENARIO [ARG]

prints its port on the first line of stdout and ends when its stdin does, or after LIFE seconds. Requests are written to the file
named by LLM_LOG, one JSON object a line, if that is set.
"""
import os
import socket
import sys
import threading

sys.dont_write_bytecode = True

from chat import Chat
from messages import Messages
from wire import read_request

LIFE = 120
APIS = [Messages, Chat]


def serve(apis, conn):
    try:
        conn.settimeout(30)
        request = read_request(conn)
        if request:
            method, path, headers, body = request
            for api in apis:
                if method == "GET" and api.lists_models(path, headers):
                    return api.models(conn, path, headers)
                if method == "POST" and path.partition("?")[0] == api.PATH:
                    return api.answer(conn, headers, body)
            apis[0].send(conn, 404, {"content-type": "text/plain"}, b"404 page not found")
    except OSError:
        pass
    finally:
        conn.close()


def main():
    arg = sys.argv[2] if len(sys.argv) > 2 else ""
    apis = [api(sys.argv[1], arg) for api in APIS]
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    threading.Timer(LIFE, lambda: os._exit(0)).start()
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=serve, args=(apis, conn), daemon=True).start()


if __name__ == "__main__":
    main()
