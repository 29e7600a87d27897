# limits.py - one limit is tried: bytes on disk, memory, or processes. Never goes beyond what it is told.
import errno
import json
import os
import subprocess
import sys

asked = json.load(sys.stdin)
most = asked['most']


def disk():
    block, done, path = b'\xa5' * (1 << 20), 0, '/workspace/probe-fill'
    if not os.path.isdir('/workspace'):
        path = os.path.join(os.getcwd(), 'probe-fill-' + asked['nonce'])
    f = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        while done < most:
            os.write(f, block)
            done += 1
        return 'wrote all', done
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e)), done
    finally:
        os.close(f)
        os.unlink(path)


def memory():
    held = []
    try:
        while len(held) < most:
            held.append(bytearray(b'\x5a' * (1 << 20)))
        return 'got all', len(held)
    except MemoryError:
        return 'MemoryError', len(held)


def processes():
    children = []
    try:
        while len(children) < most:
            children.append(subprocess.Popen(['/bin/sleep', '20']))
        return 'started all', len(children)
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e)), len(children)
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()


print('{"begun": true}' if asked['which'] == 'memory' else '', flush=True)
got, done = {'disk': disk, 'memory': memory, 'processes': processes}[asked['which']]()
print('\n' + json.dumps({'got': got, 'done': done}))
