# filesystem.py - tries to read the host's canaries and to leave files where the host could see them.
import errno
import json
import os
import sys

asked = json.load(sys.stdin)
mark = 'sbx-' + asked['nonce']
rows = []


def name_of(error):
    return errno.errorcode.get(error.errno, str(error))


def attempt(what, act):
    try:
        got = act()
    except OSError as e:
        got = name_of(e)
    rows.append({'what': what, 'got': got})


def read(path):
    with open(path, 'rb') as f:
        return 'read: ' + f.read(200).decode('latin-1')


def read_by_link(path):
    link = '/tmp/' + mark + '-link'
    os.symlink(path, link)
    try:
        return read(link)
    finally:
        os.unlink(link)


def create(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return 'created'


def change(path):
    os.close(os.open(path, os.O_WRONLY))
    return 'opened for writing'


for path in asked['canaries']:
    attempt('read ' + path, lambda: read(path))
    attempt('read /proc/1/root' + path, lambda: read('/proc/1/root' + path))
    attempt('read ../ to ' + path, lambda: read('../' * 20 + path.lstrip('/')))
    attempt('read by a link ' + path, lambda: read_by_link(path))
    for pid in [p for p in os.listdir('/proc') if p.isdigit()][:20]:
        attempt('read by the directory of process %s: %s' % (pid, path),
                lambda: read('/proc/%s/cwd/%s%s' % (pid, '../' * 20, path.lstrip('/'))))
    attempt('write ' + path, lambda: change(path))
for directory in asked['directories']:
    attempt('create in ' + directory, lambda: create(os.path.join(directory, mark)))
attempt('change the core pattern', lambda: change('/proc/sys/kernel/core_pattern'))
print(json.dumps({'rows': rows}))
