# kernel.py - the python interpreter of a session: runs what it is sent, keeps its state, forks
# frozen copies of itself. Speaks NDJSON with the guest (providers/guest/proto.h).
#
# Only what a first result needs is imported here; the rest is loaded while idle. The code of a run
# lives in a clean __main__; nothing of the kernel is in its way, and whatever it breaks (streams,
# descriptors, signal handlers, a fork that falls through) is put right before the next run.

import _ast
import _io
import _json
import _signal
import _socket
import binascii
import builtins
import fcntl
import os
import sys
import types

__builtins__ = dict(builtins.__dict__)  # ours stay what they are when the code rebinds one

HERE = os.path.dirname(os.path.abspath(__file__))
ONLY_AST, TOP_AWAIT, COROUTINE, FUTURES = 0x400, 0x2000, 0x80, 0x1FE0000
LINE_MAX = 1 << 19
TEXT_MAX = 1 << 20
RESULT_MAX = 32 << 20
IDLE_S = 0.02  # then something is loaded ahead
SIGNALS = _signal.valid_signals()

main = types.ModuleType('__main__')
main.__builtins__ = builtins
ns = main.__dict__


class Kernel:
    """What there is one of. Lives outside __main__."""
    pid = os.getpid()
    run = 0
    flags = 0            # of `from __future__`, kept from run to run as a REPL does
    names = ()           # used by the code of the last run
    sources = {}         # '<run 3>': text, for tracebacks
    buffer = b''
    fds = []
    loop = None          # of asyncio, once something was awaited
    stdin = None         # ours; the code may have put another in its place
    input_used = False
    interrupted = False  # the last run was, and what it had started was killed
    pipes = ()           # what fstat says of 1 and 2
    thawed = False


K = Kernel


# ---- talking

class _Scan:
    strict, object_hook, object_pairs_hook = True, None, None
    parse_float, parse_int, parse_constant, memo = float, int, None, {}


parse = _json.make_scanner(_Scan)
quote = _json.encode_basestring_ascii


def dump(v):
    if type(v) is str:
        if '\0' in v:
            v = v.replace('\0', '\ufffd')
        try:
            v.encode()
        except UnicodeEncodeError:
            v = v.encode('utf-8', 'replace').decode()
        return quote(v)
    if v is True:
        return 'true'
    if v is False:
        return 'false'
    if v is None:
        return 'null'
    if type(v) is int:
        return str(v)
    if type(v) is dict:
        return '{' + ','.join([quote(k) + ':' + dump(x) for k, x in v.items()]) + '}'
    return '[' + ','.join([dump(x) for x in v]) + ']'


def high(fd):
    """A copy of fd that user code does not meet by accident and no child inherits."""
    for base in (200, 64, 10):
        try:
            return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, base)
        except OSError:
            continue
    return fd


def send(message, sock=None):
    """Whole lines only: no signal handler of the code's may cut one short."""
    line = dump(message).encode() + b'\n'
    was = _signal.pthread_sigmask(_signal.SIG_BLOCK, SIGNALS)
    try:
        (sock or K.sock).sendall(line)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, was)


def next_message(sock, idle=None):
    """One message and the descriptors that came with it; None at the end. Loads `idle` meanwhile."""
    while True:
        end = K.buffer.find(b'\n')
        if end >= 0:
            line, K.buffer = K.buffer[:end], K.buffer[end + 1:]
            fds, K.fds = K.fds, []
            return parse(line.decode(), 0)[0], fds
        try:
            if idle:
                sock.settimeout(IDLE_S)
            data, extra, _, _ = sock.recvmsg(1 << 16, _socket.CMSG_SPACE(8 * 4), _socket.MSG_CMSG_CLOEXEC)
        except TimeoutError:
            idle.pop(0)()
            continue
        finally:
            if idle is not None:
                sock.settimeout(None)  # what is sent waits as long as it takes
        for level, kind, raw in extra:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                K.fds += [int.from_bytes(raw[i:i + 4], sys.byteorder) for i in range(0, len(raw) & ~3, 4)]
        if not data:
            return None, ()
        K.buffer += data


def is_waited_for():
    """Is a request there already?"""
    try:
        return K.buffer != b'' or K.sock.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT) != b''
    except BlockingIOError:
        return False


def part(name):
    """Another file of this kernel, loaded on first use."""
    full = '_airlock_' + name
    module = sys.modules.get(full)
    if module is None:
        path = os.path.join(HERE, name + '.py')
        with _io.open(path, encoding='utf-8') as f:
            text = f.read()
        module = types.ModuleType(full)
        module.__file__, module.__builtins__ = path, __builtins__
        exec(compile(text, path, 'exec', dont_inherit=True), module.__dict__)
        sys.modules[full] = module
    return module


# ---- results

def send_result(mime, data, is_main):
    if len(data) > RESULT_MAX:
        mime, data = 'text/plain', b'(a result of %d bytes was not kept)' % len(data)
    at = 0
    while True:
        piece = data[at:at + LINE_MAX]
        at += len(piece)
        more = at < len(data)
        send({'t': 'result', 'run': K.run, 'mime': mime, 'main': is_main, 'more': int(more),
              'data': binascii.b2a_base64(piece, newline=False).decode()})
        if not more:
            return


PLAIN = (int, float, complex, bool, str, bytes, tuple, list, dict, set, frozenset, range, type)


def cut(text):
    return text if len(text) <= TEXT_MAX else '%s… (+%d characters)' % (text[:TEXT_MAX], len(text) - TEXT_MAX)


def show_value(value):
    if value is None:
        return
    builtins._ = value
    if type(value) in PLAIN:
        send_result('text/plain', cut(repr(value)).encode('utf-8', 'backslashreplace'), True)
    else:
        part('show').show(value, True)


def display(*values):
    """Show values as results of this run."""
    for value in values:
        part('show').show(value, False)


# ---- running

def await_it(coroutine):
    import asyncio
    if K.loop is None or K.loop.is_closed():
        K.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(K.loop)
    return K.loop.run_until_complete(coroutine)


def run_code(tree, name, mode, where):
    code = compile(tree, name, mode, K.flags | TOP_AWAIT, dont_inherit=True)
    K.flags |= code.co_flags & FUTURES
    K.names = code.co_names + tuple(K.names)
    value = eval(code, where)
    if code.co_flags & COROUTINE:
        value = await_it(value)
    return value


def execute(source, name, where):
    K.names = ()
    tree = compile(source, name, 'exec', ONLY_AST | K.flags | TOP_AWAIT, dont_inherit=True)
    last = None
    if tree.body and type(tree.body[-1]) is _ast.Expr:
        last = _ast.Expression(tree.body.pop().value)
    if tree.body:
        run_code(tree, name, 'exec', where)
    if last is not None:
        show_value(run_code(last, name, 'eval', where))


def remember(name, text):
    """Source lines for tracebacks, the code's own use of linecache included."""
    K.sources[name] = text if text.endswith('\n') else text + '\n'
    if len(K.sources) > 1000:
        K.sources.pop(next(iter(K.sources)))
    if 'linecache' in sys.modules:
        put_source(name)


def put_source(name):
    text = K.sources[name]
    sys.modules['linecache'].cache[name] = (len(text), None, text.splitlines(True), name)


class Finder:
    """Makes linecache know our sources as soon as it is imported, and serves the plot backend."""
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == '_airlock_plots':
            from importlib.machinery import ModuleSpec
            return ModuleSpec(name, part('show').PlotLoader)
        if name == 'linecache':
            for finder in sys.meta_path:
                spec = finder.find_spec(name, path, target) if finder is not Finder else None
                if spec is not None:
                    spec.loader = Seeded(spec.loader)
                    return spec
        return None


class Seeded:
    """The loader of linecache, and then our sources."""
    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        for name in K.sources:
            put_source(name)

    def __getattr__(self, name):
        return getattr(self.loader, name)


# ---- around a run

def identity(fd):
    try:
        st = os.fstat(fd)
        return st.st_dev, st.st_ino
    except OSError:
        return None


def new_writer(fd, errors):
    raw = _io.FileIO(fd, 'wb', closefd=False)
    stream = _io.TextIOWrapper(_io.BufferedWriter(raw), encoding='utf-8', errors=errors, line_buffering=True)
    stream.mode = 'w'
    return stream


def is_closed(name):
    stream = getattr(sys, name, None)
    try:
        return stream is None or bool(stream.closed)
    except BaseException:
        return False  # something of the code's own that can write, and no more


def mend_streams():
    """Whatever a run did to 0, 1, 2 and sys.std*. Called when the run is over, in nobody's time."""
    if (identity(1), identity(2)) != K.pipes:
        os.dup2(K.out, 1)
        os.dup2(K.err, 2)
    if is_closed('stdout'):
        sys.stdout = sys.__stdout__ = new_writer(1, 'surrogateescape')
    if is_closed('stderr'):
        sys.stderr = sys.__stderr__ = new_writer(2, 'backslashreplace')
    if K.input_used or K.stdin.closed or identity(0) != K.null:
        os.dup2(K.nothing, 0)
        new_stdin()
        K.input_used = False


def new_stdin():
    ours = _io.open(0, 'r', encoding='utf-8', errors='surrogateescape', closefd=False)
    if getattr(sys, 'stdin', None) is K.stdin or is_closed('stdin'):
        sys.stdin = sys.__stdin__ = ours
    K.stdin = ours


def give_input():
    """The run's stdin, from its beginning, whatever an earlier run still reads."""
    fd = os.open('/proc/self/fd/%d' % K.input, os.O_RDONLY)
    if fd != 0:
        os.dup2(fd, 0)
        os.close(fd)
    K.input_used = True
    new_stdin()


def mend_interpreter():
    """What would trip our own code."""
    sys.settrace(None)
    sys.setprofile(None)
    if sys.getrecursionlimit() < 500:
        sys.setrecursionlimit(1000)


def flush():
    seen = ()
    for name in ('stdout', 'stderr', '__stdout__', '__stderr__'):
        stream = getattr(sys, name, None)
        if not any(stream is s for s in seen):
            try:
                stream.flush()
            except BaseException:
                pass
            seen += (stream,)


def on_idle_interrupt(signo, frame):
    """An interrupt that came when nothing was running."""


def on_nudge(signo, frame):
    """The guest's, after an interrupt: sleep that began before the interrupt was acted on is cut short."""


def set_interrupt(handler):
    try:
        _signal.signal(_signal.SIGINT, handler)
    except BaseException:
        pass


def arguments(request):
    fields = os.pread(K.args, request['args'], 0).split(b'\0')
    if request.get('chdir'):
        os.chdir(fields[0])
    return [os.fsdecode(f) for f in fields[1:1 + request.get('argc', 0)]] or ['']


def on_exec(request):
    source = os.pread(K.code, request['code'], 0)
    check = os.pread(K.code, request['check'], request['code']) if request['check'] else b''
    run_it(request, source, check, ns, send)


def run_it(request, source, check, where, say):
    K.run = request['run']
    done = {'t': 'done', 'run': K.run, 'code': 0}
    name = '<run %d>' % K.run
    try:
        if request['input']:
            give_input()
        sys.modules['__main__'] = main
        remember(name, source.decode('utf-8', 'replace'))
        sys.argv = arguments(request)
        try:
            set_interrupt(_signal.default_int_handler)
            execute(source, name, where)
        finally:
            set_interrupt(on_idle_interrupt)
    except BaseException as e:
        set_interrupt(on_idle_interrupt)
        if os.getpid() == K.pid:
            mend_interpreter()
            tell_failure(e, done)
        else:
            leave_child(e)
    if os.getpid() != K.pid:
        leave_child(None)
    mend_interpreter()
    after_code(done)
    if check and not done.get('interrupted'):
        part('errors').run_check(check, done)
    flush()
    say(done)


def tell_failure(error, done):
    try:
        part('errors').failed(error, done)
    except BaseException as e:  # not a descriptor or page left for it, or the code is after us
        done['code'] = 1
        done['error'] = {'name': type(error).__name__[:400], 'value': '',
                         'traceback': '(%s while it was put into words)' % type(e).__name__}


def leave_child(error):
    """A process the code forked came out at the end of the code."""
    code = 0
    if error is not None:
        done = {}
        tell_failure(error, done)
        code = done.get('code', 1)
    flush()
    os._exit(code)


def after_code(done):
    """Figures that are still open."""
    if 'matplotlib.pyplot' in sys.modules:
        try:
            part('show').plots()
        except BaseException as e:
            part('errors').write_error('(a figure could not be drawn: %s)\n' % type(e).__name__)


def on_check(request):
    """The check of a run in another language."""
    K.run = request['run']
    done = {'t': 'done', 'run': K.run}
    arguments(request)
    part('errors').run_check(os.pread(K.code, request['check'], 0), done)
    send(done)


def on_complete(request):
    names = []
    try:
        text = bytes.fromhex(request['text'])[:request['cursor']].decode('utf-8', 'replace')
        names = part('complete').names(ns, text)
    except BaseException:
        pass
    send({'t': 'completion', 'token': request['token'], 'names': names})


# ---- the loop

def serve():
    warm = [lambda: part('frozen'), lambda: part('frozen').load_clone(), lambda: part('vars'), lambda: part('errors'),
            lambda: __import__('traceback'), lambda: part('show'), lambda: part('complete')]
    while True:
        request, fds = next_message(K.sock, warm)
        if request is None:
            os._exit(0)
        kind = request['t']
        if kind == 'exec':
            on_exec(request)
            mend_streams()
        elif kind == 'checkpoint':
            part('frozen').on_checkpoint(request, fds)
        elif kind == 'check':
            on_check(request)
        elif kind == 'complete':
            on_complete(request)
        elif kind == 'load':
            part('frozen').on_load(request)
        elif kind == 'save':
            part('frozen').on_save(fds)


def start():
    sys.modules['_airlock'] = sys.modules['__main__']
    sys.modules['__main__'] = main
    set_interrupt(on_idle_interrupt)
    _signal.signal(_signal.SIGURG, on_nudge)
    K.out, K.err = high(1), high(2)
    K.code, K.input, K.args = high(5), high(6), high(7)
    K.sock = _socket.socket(fileno=high(3))
    for fd in range(3, 9):
        os.close(fd)
    K.nothing = high(0)
    K.null = identity(0)
    K.pipes = identity(1), identity(2)
    sys.stdout.reconfigure(encoding='utf-8', errors='surrogateescape', line_buffering=True)
    sys.stderr.reconfigure(encoding='utf-8', errors='backslashreplace', line_buffering=True)
    K.stdin = sys.stdin
    sys.argv = ['']
    sys.meta_path.insert(0, Finder)
    builtins.display = display
    import faulthandler
    faulthandler.enable()
    send({'t': 'ready', 'pid': K.pid})


def go_on():
    """For ever. What a signal handler or a hook of the code raises between runs ends nothing."""
    while True:
        try:
            serve()
        except KeyboardInterrupt:
            pass
        except BaseException as e:
            if isinstance(e, OSError) and identity(K.sock.fileno()) is None:
                os._exit(70)  # the code closed the descriptor we are led by
            part('errors').write_error(part('errors').format_error(e))


if __name__ == '__main__':
    start()
    go_on()
