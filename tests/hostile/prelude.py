import array, ctypes, errno, fcntl, os, platform, resource, signal, socket, stat, struct, subprocess, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == 'x86_64'


def sysc(nr, *args):
    """A system call by its number on x86-64."""
    if not X86:
        raise OSError(errno.ENOSYS, 'numbers of another machine')
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if r < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return r


def held(what, f, *a):
    """An attempt that must fail."""
    try:
        r = f(*a)
    except BaseException as e:
        print('held', what, type(e).__name__, str(e)[:80], flush=True)
    else:
        print('ESCAPED', what, repr(r)[:80], flush=True)


def done(what):
    """An attempt whose effect only the host can judge."""
    print('held', what, 'as the host may tell', flush=True)


def read(path, n=200):
    with open(path, 'rb') as f:
        return f.read(n)


def write(path, data=b'@NONCE@'):
    with open(path, 'wb') as f:
        f.write(data)


def connect(family, where, kind=socket.SOCK_STREAM):
    s = socket.socket(family, kind)
    s.settimeout(1)
    s.connect(where)
    return 'connected'
