# Airlock: runs the program P, approved by a person, once, in this interpreter, and prints what came of it. [share/cells/claude/repl.py]
import ctypes, marshal, tempfile, types

ATOMS = (int, float, complex, bool, type(None), str, bytes)
ITEMS, VARS = 20000, 200


def kind(v):
    """Its type, past any hook."""
    name, of = type.__dict__['__name__'].__get__(type(v)), type.__dict__['__dict__'].__get__(type(v)).get('__module__')
    if is_array(v):
        return 'numpy.ndarray[%s]' % v.dtype.name
    return name if type(of) is not str or of in ('builtins', '__main__') else of + '.' + name


def plain(v):
    """Built-in through and through, and not too many."""
    todo, size = [v], 0
    for x in todo:
        t = type(x)
        size += len(x) if t in (str, bytes) else 0
        if t in (list, tuple, set, frozenset, dict):
            if len(todo) + 2 * len(x) > ITEMS:
                return False
            todo += x
            todo += x.values() if t is dict else ()
        elif t not in ATOMS or size > 1 << 26:
            return False
    return True


def is_of(v, module, name):
    m = sys.modules.get(module)
    return type(m) is types.ModuleType and type(v) is m.__dict__.get(name)


def is_array(v):
    return is_of(v, 'numpy', 'ndarray') and v.dtype.kind in 'biufcSUmM'


def look(v):
    """(shape, bytes, preview, digest) of a value, without a call of its own code; digest '': not known."""
    t, shape, size, seen, data = type(v), '', -1, '<%s>' % kind(v), None
    if plain(v):
        shape, size = str(len(v)) if hasattr(t, '__len__') else '', sys.getsizeof(v)
        seen = repr(v[:200] if t in (str, bytes) else v) if t is not int or v.bit_length() < 4000 else seen
        data = marshal.dumps(v, 2)
    elif t in (list, tuple, set, frozenset, dict):
        shape, size = str(len(v)), sys.getsizeof(v)
    elif is_array(v):
        shape, size = '×'.join(map(str, v.shape)), v.nbytes
        seen, data = 'array(%s%s)' % (v.reshape(-1)[:8].tolist(), ', …' * (v.size > 8)), v.tobytes() if size < 1 << 26 else None
    elif is_of(v, 'pandas', 'DataFrame') or is_of(v, 'pandas', 'Series'):
        frame, shape = len(v.shape) == 2, '×'.join(map(str, v.shape))
        columns = [v.iloc[:, i].to_numpy() for i in range(min(v.shape[1], 50))] if frame else [v.to_numpy()]
        lists = [c.tolist() if v.shape[0] < ITEMS else [...] for c in columns if not is_array(c)]
        if frame:
            seen = '<columns %s>' % [c for c in list(v.columns)[:20] if type(c) in ATOMS]
        if sum(c.nbytes for c in columns) < 1 << 26 and plain(lists):
            seen = seen if frame else repr(columns[0][:8].tolist())
            data = b''.join([marshal.dumps([seen, lists], 2)] + [c.tobytes() for c in columns if is_array(c)])
    elif t is types.FunctionType:
        c = v.__code__
        seen = '<function %s(%s)>' % (v.__name__, ', '.join(c.co_varnames[:c.co_argcount]))
        data = marshal.dumps((c.co_code, c.co_names, c.co_consts), 2) if plain(v.__defaults__) else None
    elif t in (type, types.ModuleType):
        seen = '<%s %s>' % ('class' if t is type else 'module', v.__name__)
        data = b'%d' % id(v)
    return shape, size, seen, '' if data is None else hashlib.blake2b(data, digest_size=8).hexdigest()


def variables(me):
    """Those of a person, with what became of them since the last run."""
    now, told, until = {}, [], time.monotonic() + 2
    for name, v in list(me.main.__dict__.items()):
        if type(name) is not str or name.startswith('_'):
            continue
        shape, size, seen, digest = '', -1, '<%s>' % kind(v), ''
        try:
            if time.monotonic() < until:
                shape, size, seen, digest = look(v)
        except Exception:  # it is stranger than we know
            pass
        old, new = me.seen.get(name), (kind(v), shape, digest)
        now[name] = new
        told.append([name, new[0], shape, size, seen, digest, 'new' if old is None else 'changed' if old[:2] != new[:2]
                     else 'unknown' if not digest or not old[2] else 'same' if digest == old[2] else 'changed'])
    told += [[n, old[0], '', -1, '', '', 'gone'] for n, old in me.seen.items() if n not in now]
    me.seen = now
    told.sort(key=lambda v: v[6] in ('same', 'unknown'))
    return [[b64(v[0], 120), b64(v[1], 80), b64(v[2], 40), v[3], b64(v[4], 160), v[5], v[6]] for v in told[:VARS]], max(0, len(told) - VARS)


class Streams:
    """Descriptors 0, 1, 2 and sys.stdin, stdout, stderr of the program; put back by end()."""

    def __init__(self, stdin):
        self.was, self.fds = (sys.stdin, sys.stdout, sys.stderr), [os.dup(i) for i in range(3)]
        for f in self.was[1:]:
            f.flush()
        self.kept, ends = ([b'', 0], [b'', 0]), [os.pipe(), os.pipe()]
        for fd, to in ((stdin.fileno(), 0), (ends[0][1], 1), (ends[1][1], 2)):
            os.dup2(fd, to)
        os.close(ends[0][1])
        os.close(ends[1][1])
        self.readers = [drain(os.fdopen(e[0], 'rb', 0), k, P[n]) for e, k, n in zip(ends, self.kept, ('out', 'err'))]
        self.mine = sys.stdin, sys.stdout, sys.stderr = (open(0, encoding='utf-8', errors='surrogateescape', closefd=False),
                                                         open(1, 'w', encoding='utf-8', closefd=False),
                                                         open(2, 'w', 1, encoding='utf-8', errors='backslashreplace', closefd=False))

    def flush(self):
        for f in (*self.mine[1:], sys.stdout, sys.stderr):
            try:
                f.flush()
            except Exception:
                pass

    def end(self):
        for i, fd in enumerate(self.fds):
            os.dup2(fd, i)
            os.close(fd)
        sys.stdin, sys.stdout, sys.stderr = self.was
        for r in self.readers:
            r.join(0.5)


def execute(me, code, done):
    """(exit status, what is told) of the program and of its check."""
    told, status = {}, 0
    try:
        try:
            value = run(code, '<code>', me.main.__dict__)
            told['value'] = None if value is None else repr(value)
        except SystemExit as e:
            status = 0 if e.code is None else e.code & 0xff if isinstance(e.code, int) else 1
            if status == 1 and not isinstance(e.code, int):
                sys.stderr.write('%s\n' % (e.code,))
        except BaseException as e:
            told['error'] = blame(e, '<code>')
            sys.stderr.write('' if done.late else told['error'][2])
            status = 1
        if P['check'] and not done.late:
            told['check'] = judge(raw(P['check']), me.main.__dict__)
    except BaseException as e:  # of its streams, or too late
        status = 1
        told.setdefault('error', blame(e, '<code>'))
    done.set()
    return status, told


def main():
    code, me = raw(P['code']), sys.modules.get('_airlock')
    proof = {'sha256': hashlib.sha256(code).hexdigest()}
    if P['life'] and getattr(me, 'life', '') != P['life']:
        return {'lost': True, **proof}
    if not P['life']:
        me = sys.modules['_airlock'] = types.ModuleType('_airlock')
        me.life, me.main, me.seen = P['token'], types.ModuleType('__main__'), {}
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    here, pid, spared, began = os.getcwd(), os.getpid(), family(), time.monotonic()
    root = place()
    cwd, was = enter(root), scan()
    say(proof, 'BEGIN')
    with tempfile.TemporaryFile() as f:
        f.write(raw(P['input']))
        f.seek(0)
        streams = Streams(f)
    done, self = threading.Event(), threading.get_ident()
    done.late = False

    def on_int(*_):
        if not done.is_set():
            raise KeyboardInterrupt

    def watch():
        if done.wait(P['timeout']):
            return
        done.late = True
        if old is None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self), ctypes.py_object(KeyboardInterrupt))
        else:
            signal.pthread_kill(self, signal.SIGINT)
        if done.wait(2):
            return
        end_family(spared)  # it does not obey: this interpreter goes with it
        streams.end()
        say({**told_of(1, {}), 'died': True})
        os._exit(1)

    def told_of(status, told):
        us = int((time.monotonic() - began) * 1000000)
        return result(code, status, done.late, us, root, *streams.kept, {} if done.late else told, was)

    loop, events = None, sys.modules.get('asyncio')
    if events:  # a loop around this cell is not the program's
        loop = events._get_running_loop()
        events._set_running_loop(None)
    try:
        old = signal.signal(signal.SIGINT, on_int)
    except ValueError:  # not the main thread
        old = None
    shell = sys.modules['__main__']
    sys.modules['__main__'] = me.main
    sys.argv, argv = [os.fsdecode(raw(a)) for a in P['argv']] or [''], sys.argv
    os.chdir(cwd)
    threading.Thread(target=watch, daemon=True).start()
    status, told = execute(me, code, done)
    streams.flush()
    if os.getpid() != pid:  # a fork of the program's came back
        os._exit(status)
    sys.modules['__main__'], sys.argv = shell, argv
    if old is not None:
        signal.signal(signal.SIGINT, old)
    if events:
        events._set_running_loop(loop)
    if done.late:
        end_family(spared)
    streams.end()
    all_vars, more = variables(me)
    told = {**told_of(status, told), 'vars': all_vars, 'vars_more': more}
    try:
        os.chdir(here)
    except OSError:
        pass
    return told


try:
    told = main()
except Exception as e:
    told = {'failed': b64('%s: %s' % (type(e).__name__, e), 400)}
say(told)
