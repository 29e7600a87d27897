# timeout.py - four ways not to end: one is asked for. What it starts carries a name the host looks for.
import json
import os
import signal
import subprocess
import sys
import time

asked = json.load(sys.stdin)
name = 'probe-' + asked['nonce']


def sleeper(**how):
    subprocess.Popen([name, '20'], executable='/bin/sleep', **how)


def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        time.sleep(0.01)


def loop():
    while True:
        pass


def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv('/bin/sleep', [name, '20'])
        os._exit(0)
    loop()


def storm():
    for _ in range(48):
        try:
            sleeper(start_new_session=True)
        except OSError:
            break
    loop()


print('begun', flush=True)
{'loop': loop, 'stubborn': stubborn, 'daemon': daemon, 'storm': storm}[asked['how']]()
