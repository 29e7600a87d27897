# birth.py - what a new sandbox is asked before any other code runs in it: `asked` names what must not be had.
# Its own process does the trying, so nothing of it stays in the interpreter. Modules that are built in suffice.
import errno
import os

(nonce, canary, host_pid, tcp, udp, abstract, network, directories) = asked.split('\n')


def attempt(out, what, act):
    try:
        got = act()
    except OSError as e:
        got = errno.errorcode.get(e.errno, 'errno %s' % e.errno)
    except BaseException as e:
        got = type(e).__name__
    os.write(out, ('%s\t%s\n' % (what, got)).encode('ascii', 'replace'))


def read(path):
    f = os.open(path, os.O_RDONLY)
    try:
        return 'read: ' + os.read(f, 200).decode('latin-1').strip()
    finally:
        os.close(f)


def read_by_link(path):
    link = '/tmp/sbx-' + nonce
    os.symlink(path, link)
    try:
        return read(link)
    finally:
        os.unlink(link)


def create(directory):
    os.close(os.open(os.path.join(directory, 'sbx-' + nonce), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return 'created'


def status(key):
    for line in open('/proc/self/status', 'rb'):
        if line.startswith(key.encode() + b':'):
            return line.split(b':', 1)[1].strip().decode()
    return 'not shown'


def signal(pid):
    os.kill(pid, 0)
    return 'there'


def files(out):
    if canary:
        attempt(out, 'canary', lambda: read(canary))
        attempt(out, 'canary by root', lambda: read('/proc/1/root' + canary))
        attempt(out, 'canary by link', lambda: read_by_link(canary))
    for d in filter(None, directories.split(':')):
        attempt(out, 'create in ' + d, lambda: create(d))


def processes(out):
    for key in ('CapEff', 'NoNewPrivs', 'Seccomp'):
        attempt(out, key, lambda: status(key))
    for kind in ('pid', 'mnt', 'user', 'net'):
        attempt(out, 'namespace ' + kind, lambda: os.stat('/proc/self/ns/' + kind).st_ino)
    attempt(out, 'boot', lambda: read('/proc/sys/kernel/random/boot_id'))
    attempt(out, 'kernel', lambda: os.uname().release)
    attempt(out, 'uid', os.getuid)
    if host_pid != '0':
        attempt(out, 'signal', lambda: signal(int(host_pid)))


DNS = b'\x12\x34\x01\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1'


def reach(out):
    import _socket as s
    import select
    stream, datagram = s.SOCK_STREAM, s.SOCK_DGRAM
    targets = [('listener', s.AF_INET, stream, ('127.0.0.1', int(tcp))), ('datagram', s.AF_INET, datagram, ('127.0.0.1', int(udp))),
               ('abstract', s.AF_UNIX, stream, '\0' + abstract), ('metadata', s.AF_INET, stream, ('169.254.169.254', 80)),
               ('nowhere', s.AF_INET, stream, ('192.0.2.1', 80)), ('world', s.AF_INET, stream, ('1.1.1.1', 443)),
               ('names', s.AF_INET, datagram, ('8.8.8.8', 53))]
    waiting = {}

    def begin(what, family, kind, address):
        sock = s.socket(family, kind)
        sock.setblocking(False)
        if kind == datagram:
            sock.sendto(DNS if what == 'names' else nonce.encode(), address)
            if what != 'names':
                return 'sent'
        else:
            e = sock.connect_ex(address)
            if e not in (0, errno.EINPROGRESS, errno.EAGAIN):
                return errno.errorcode.get(e, 'errno %s' % e)
        waiting[sock.fileno()] = (what, kind, sock)
        return None

    def end(what, kind, sock):
        if kind == datagram:
            return 'answered' if sock.recv(512) else 'empty answer'
        e = sock.getsockopt(s.SOL_SOCKET, s.SO_ERROR)
        return 'connected' if e == 0 else errno.errorcode.get(e, 'errno %s' % e)

    for target in targets:
        try:
            got = begin(*target)
        except OSError as e:
            got = errno.errorcode.get(e.errno, 'errno %s' % e.errno)
        if got is not None:
            attempt(out, target[0], lambda: got)
    poll = select.poll()
    for fd, (what, kind, sock) in waiting.items():
        poll.register(fd, select.POLLIN if kind == datagram else select.POLLOUT)
    for turn in range(3):
        for fd, events in (poll.poll(100) if waiting else []):
            attempt(out, waiting[fd][0], lambda: end(*waiting[fd]))
            poll.unregister(fd)
            del waiting[fd]
    for what, kind, sock in waiting.values():
        attempt(out, what, lambda: 'timed out')


def work(out):
    files(out)
    processes(out)
    if network == 'deny':
        reach(out)
    attempt(out, 'end', lambda: nonce)


back, out = os.pipe()
child = os.fork()
if child == 0:
    try:
        work(out)
    finally:
        os._exit(0)
os.close(out)
said = b''
while True:
    part = os.read(back, 65536)
    if not part:
        break
    said += part
os.close(back)
try:
    os.waitpid(child, 0)
except OSError:
    pass
if os.path.isdir('/workspace'):
    said += b'workspace\t%d\n' % len(os.listdir('/workspace'))
__import__('sys').airlock_birth = nonce
print(said.decode(), end='')
