# process.py - shows itself to the host by a name, and says what it sees of processes.
import errno
import json
import os
import subprocess
import sys
import time

asked = json.load(sys.stdin)


def content(path):
    try:
        with open(path) as f:
            return f.read(4000).strip()
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))


def signal_host():
    try:
        os.kill(asked['host_pid'], 0)
        return 'there'
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))


def sees_host():
    for pid in os.listdir('/proc'):
        if pid.isdigit() and content('/proc/%s/cmdline' % pid).replace('\0', ' ').strip() == asked['host_arguments'].strip():
            return pid
    return ''


child = subprocess.Popen(['probe-' + asked['nonce'], '20'], executable='/bin/sleep')
print(json.dumps({
    'pid': os.getpid(), 'uid': os.getuid(), 'pids': len([p for p in os.listdir('/proc') if p.isdigit()]),
    'signal': signal_host(), 'sees': sees_host(), 'uid_map': content('/proc/self/uid_map').split(),
    'boot_id': content('/proc/sys/kernel/random/boot_id'), 'kernel': os.uname().release, 'ready': True}), flush=True)
try:
    while child.poll() is None:
        time.sleep(0.05)
finally:
    child.kill()
    child.wait()
