# frozen.py - checkpoints: forks of the interpreter that wait to take its place. [architecture §6]

import _signal
import _socket
import builtins
import gc
import os
import sys
import time

import _airlock as kernel

K = kernel.K

BURY_TRIES, BURY_S = 60, 0.005
CLONE_PARENT, SIGCHLD = 0x8000, 17
CLONE = {'x86_64': 56, 'aarch64': 220}


def random_kept():
    """A fork seeds `random` anew; a copy must not be. What puts it back."""
    random = sys.modules.get('random')
    if random is None:
        return lambda: None
    state = random._inst.getstate()
    return lambda: random._inst.setstate(state)


def in_child(put_back, work):
    try:
        put_back()
        work()
    except BaseException:
        os._exit(1)


def detached(work):
    """Run work() in a process that is not our child: the code's own wait() must not meet it. True in the
    new process, when work() comes back there."""
    handler = _signal.getsignal(_signal.SIGCHLD)
    theirs = handler not in (_signal.SIG_DFL, _signal.SIG_IGN, None)
    if theirs:
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    put_back = random_kept()
    try:
        pid = os.fork()
        if pid == 0:
            try:
                if os.fork() != 0:
                    os._exit(0)
            except BaseException:
                os._exit(1)
            in_child(put_back, work)
            return True
        try:
            if os.waitpid(pid, 0)[1] != 0:
                raise OSError(11, 'no process left')
        except ChildProcessError:
            pass  # SIGCHLD is ignored: it is gone already
    finally:
        if theirs:
            _signal.signal(_signal.SIGCHLD, handler)
    return False


def patiently(work):
    """detached(), also while the processes of a storm are still on their way out."""
    for _ in range(100):
        try:
            return detached(work)
        except OSError:
            time.sleep(0.02)
    raise OSError(11, 'no process left')


clone = None  # once ctypes is loaded


def load_clone():
    global clone
    import ctypes
    number = CLONE.get(os.uname().machine)
    call = ctypes.PyDLL(None).syscall
    call.restype = ctypes.c_long
    hooks = ctypes.pythonapi
    hooks.PyOS_BeforeFork.restype = hooks.PyOS_AfterFork_Child.restype = hooks.PyOS_AfterFork_Parent.restype = None
    clone = number and (lambda: call(number, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0),
                        hooks.PyOS_BeforeFork, hooks.PyOS_AfterFork_Child, hooks.PyOS_AfterFork_Parent)


def aside(work):
    """As detached(), by one fork: its child is our parent's. glibc's fork can't do that, so only while
    there is a single thread, when none of its locks can be taken."""
    if clone is None:
        load_clone()
    if not clone or os.stat('/proc/self/task').st_nlink != 3:
        return detached(work)
    fork, before, after_child, after_parent = clone
    put_back = random_kept()
    before()
    pid = fork()
    if pid == 0:
        after_child()
        in_child(put_back, work)
        return True
    after_parent()
    return detached(work) if pid < 0 else False


def set_oom_score(score):
    try:
        fd = os.open('/proc/self/oom_score_adj', os.O_WRONLY)
        os.write(fd, b'%d' % score)
        os.close(fd)
    except OSError:
        pass


def step_aside(score):
    """In a fork: no stream, no terminal signals, first to go when memory is short."""
    os.setsid()
    kernel.set_interrupt(_signal.SIG_IGN)
    set_oom_score(score)
    for fd in (0, 1, 2, K.out, K.err, K.code, K.input, K.args):
        os.dup2(K.nothing, fd, inheritable=fd < 3)
    K.sock.close()


def threads():
    threading = sys.modules.get('threading')
    if threading is None:
        return []
    return ['thread ' + str(t.name)[:80] for t in list(threading._active.values())
            if t is not threading._main_thread]


def bury():
    """What an interrupted run had started was killed, and nobody will ask how it ended: as zombies they would count as
    processes, and stand in the way of the next ones. Some may still be dying; what an earlier run left running is not."""
    K.interrupted = False
    for _ in range(BURY_TRIES):
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            return
        time.sleep(BURY_S)


def on_checkpoint(request, fds):
    if K.interrupted:
        bury()
    if not fds:
        refused(request['run'], 'no descriptor is free')
        return
    kernel.flush()
    kernel.part('vars')  # once here, not in every copy
    lost = threads()
    names = K.names
    thawed = False
    gc.freeze()
    try:
        thawed = aside(lambda: freeze(request, fds[0], lost))
    except OSError as e:
        refused(request['run'], kernel.part('errors').safe_str(e))
    K.names = names
    if not thawed:
        gc.unfreeze()
        os.close(fds[0])
        if not kernel.is_waited_for():
            rehearse()


def refused(run, why):
    """No copy could be made: the live one tells its variables itself."""
    kernel.send({'t': 'forked', 'run': run, 'error': why})
    kernel.part('vars').report(kernel.ns, K.names, lambda m: kernel.send(dict(m, t='vars', run=run)))


def rehearse():
    """Touch what the next run will touch: pages shared with the copy are parted now, not then."""
    saved = K.run, K.flags, sys.argv
    try:
        request = kernel.parse('{"t":"exec","run":0,"code":0,"check":0,"chdir":0,"argc":1,"args":17,"input":0}', 0)[0]
        kernel.run_it(request, b'x = 1\nNone', b'', {'__builtins__': builtins}, lambda m: kernel.dump(m).encode())
        K.sources.pop('<run 0>')
    except Exception:
        pass
    K.run, K.flags, sys.argv = saved


def freeze(request, channel, lost):
    """The copy: report the variables, then wait to be woken, however long that takes."""
    try:
        K.thawed = False
        was_on = gc.isenabled()
        gc.disable()
        step_aside(900)
        K.buffer, K.fds = b'', []
        sock = _socket.socket(fileno=channel)
        kernel.send({'t': 'frozen'}, sock)
        kernel.part('vars').report(kernel.ns, K.names, lambda m: kernel.send(m, sock))
        if not request['keep']:
            os._exit(0)
        while True:
            message, fds = kernel.next_message(sock)
            if message is None:
                os._exit(0)
            if message['t'] == 'save' and fds:
                detached(lambda: save(fds[0]))
            elif message['t'] == 'wake' and len(fds) == 6 and patiently(lambda: thaw(fds, was_on)):
                sock.close()
                kernel.send({'t': 'ready', 'lost': lost})
                return
            for fd in fds:
                os.close(fd)
    except BaseException:
        if K.thawed:
            raise
        os._exit(1)


def thaw(fds, gc_on):
    """The new live one: the streams it was given, everything else as it was frozen."""
    os.setsid()
    K.pid = os.getpid()
    out, err, ctl, code, given, args = fds
    os.dup2(out, 1)
    os.dup2(err, 2)
    for name, fd in (('out', out), ('err', err), ('code', code), ('input', given), ('args', args)):
        os.dup2(fd, getattr(K, name), inheritable=False)
        os.close(fd)
    K.sock = _socket.socket(fileno=ctl)
    K.thawed = True
    kernel.mend_streams()
    set_oom_score(300)
    kernel.set_interrupt(kernel.on_idle_interrupt)
    gc.unfreeze()
    if gc_on:
        gc.enable()


def save(fd):
    """A process of its own pickles the namespace onto fd, then is gone. What runs meanwhile goes before it."""
    try:
        set_oom_score(950)
        os.nice(10)
        kernel.part('save').save(kernel.ns, _socket.socket(fileno=fd))
    finally:
        os._exit(0)


def on_load(request):
    kept, lost = [], []
    try:
        kept, lost = kernel.part('save').load(kernel.ns, os.pread(K.code, request['code'], 0))
        os.ftruncate(K.code, 0)
        kernel.send({'t': 'restored', 'kept': kept, 'lost': lost})
    except BaseException as e:
        kernel.send({'t': 'restored', 'kept': kept, 'lost': lost,
              'error': '%s: %s' % (type(e).__name__, kernel.part('errors').safe_str(e)[:300])})


def on_save(fds):
    """Without a frozen copy the live process is pickled, by a child of it."""
    if fds:
        detached(lambda: save(fds[0]))
        os.close(fds[0])
