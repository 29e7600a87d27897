# save.py - the namespace as bytes, variable by variable, and back. Both ends run inside a sandbox.
#
# A record is u32be length, JSON {name}, u32be length, data. What can't be kept is named. Functions
# are kept with their code and share the namespace they are loaded into, as in a live session.

import _io
import _pickle
import marshal
import sys
import types

import _airlock as kernel

MAGIC = b'AIRLOCK-PYTHON 1 %d.%d\n' % sys.version_info[:2]
ONE_MAX = 16 << 20
ALL_MAX = 64 << 20


class TooBig(Exception):
    pass


class Bounded(_io.BytesIO):
    def write(self, data):
        if self.tell() + len(data) > ONE_MAX:
            raise TooBig('larger than %d MiB' % (ONE_MAX >> 20))
        return super().write(data)


class K:
    ns = None  # the namespace that is saved or loaded
    rich = None  # the pickler for everything, once it was needed


def make_function(code, cells):
    closure = tuple(types.CellType() for _ in range(cells)) or None
    return types.FunctionType(marshal.loads(code), K.ns, closure=closure)


def fill_function(f, state):
    for cell, value in zip(f.__closure__ or (), state.pop('cells')):
        if value:
            cell.cell_contents = value[0]
    for key, value in state.items():
        setattr(f, key, value)


def get_module(name):
    __import__(name)
    return sys.modules[name]


def reduce_ours(v):
    """Functions of __main__ by their code, modules by their name; None: nothing of ours."""
    if type(v) is types.FunctionType and v.__globals__ is K.ns:
        cells = []
        for cell in v.__closure__ or ():
            try:
                cells.append((cell.cell_contents,))
            except ValueError:
                cells.append(())
        state = {'cells': cells, '__defaults__': v.__defaults__, '__kwdefaults__': v.__kwdefaults__,
                 '__annotations__': v.__annotations__, '__doc__': v.__doc__, '__name__': v.__name__,
                 '__qualname__': v.__qualname__, '__module__': v.__module__}
        state.update(v.__dict__)
        return make_function, (marshal.dumps(v.__code__), len(cells)), state, None, None, fill_function
    if type(v) is types.ModuleType and sys.modules.get(v.__name__) is v:
        return get_module, (v.__name__,)
    return None


class NotPlain(Exception):
    pass


class Plain(_pickle.Pickler):
    """Numbers, texts, the built-in containers, and what is ours: without the modules that the rest wants, which take
    longer to import than most namespaces to save."""
    def reducer_override(self, v):
        if v is make_function or v is fill_function or v is get_module:
            return NotImplemented
        ours = reduce_ours(v)
        if ours is None:
            raise NotPlain
        return ours


def rich():
    """The pickler for everything: cloudpickle's, or the plain one of the library."""
    if K.rich is None:
        try:
            from cloudpickle import CloudPickler as base
        except ImportError:
            from pickle import Pickler as base

        class Rich(base):
            def reducer_override(self, v):
                ours = reduce_ours(v)
                if ours is not None:
                    return ours
                parent = getattr(super(), 'reducer_override', None)
                return parent(v) if parent is not None else NotImplemented
        K.rich = Rich
    return K.rich


def one(value):
    try:
        file = Bounded()
        Plain(file, protocol=5).dump(value)
    except NotPlain:
        file = Bounded()
        rich()(file, protocol=5).dump(value)
    return file.getbuffer()


def is_huge(value):
    nbytes = getattr(value, 'nbytes', 0) if type(value).__module__ == 'numpy' else 0
    return (type(nbytes) is int and nbytes > ONE_MAX) or \
        (type(value) in (bytes, str, bytearray) and len(value) > ONE_MAX)


def record(head, data):
    raw = kernel.dump(head).encode()
    return len(raw).to_bytes(4, 'big') + raw + len(data).to_bytes(4, 'big')


def why(error):
    text = kernel.part('errors').safe_str(error).split('\n')[0][:120]
    return '%s: %s' % (type(error).__name__, text) if text else type(error).__name__


def save(ns, sock):
    """Chunks of u32be length and bytes, a zero, then JSON {kept, lost}."""
    K.ns = ns
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 3000))
    kept, lost, total = [], [], len(MAGIC)
    sock.sendall(len(MAGIC).to_bytes(4, 'big') + MAGIC)
    for name in [n for n in ns if type(n) is str and not n.startswith('__')]:
        if name == '_' or name in ns and ns[name] is sys.modules.get('builtins'):
            continue
        value = ns[name]
        try:
            if is_huge(value):
                raise TooBig('larger than %d MiB' % (ONE_MAX >> 20))
            data = one(value)
            head = record({'name': name}, data)
            if total + len(head) + len(data) > ALL_MAX:
                raise TooBig('all together larger than %d MiB' % (ALL_MAX >> 20))
        except BaseException as e:
            lost.append('%s (%s)' % (name[:200], why(e)))
            continue
        total += len(head) + len(data)
        sock.sendall((len(head) + len(data)).to_bytes(4, 'big'))
        sock.sendall(head)
        sock.sendall(data)
        kept.append(name[:200])
    sock.sendall(b'\0\0\0\0' + kernel.dump({'kept': kept[:2000], 'lost': lost[:2000]}).encode())


def take(blob, at):
    n = int.from_bytes(blob[at:at + 4], 'big')
    if at + 4 + n > len(blob):
        raise ValueError('the saved namespace is cut short')
    return blob[at + 4:at + 4 + n], at + 4 + n


def load(ns, blob):
    """Functions and classes are loaded in the order they were made; returns (kept, lost)."""
    if blob[:len(MAGIC)] != MAGIC:
        line = blob[:40].split(b'\n')[0].decode('ascii', 'replace')
        raise ValueError('not a namespace of this python (%s)' % line)
    K.ns = ns
    blob = memoryview(blob)
    at, kept, lost = len(MAGIC), [], []
    while at < len(blob):
        head, at = take(blob, at)
        data, at = take(blob, at)
        name = kernel.parse(bytes(head).decode(), 0)[0]['name']
        try:
            ns[name] = _pickle.loads(data)
            kept.append(name[:200])
        except BaseException as e:
            lost.append('%s (%s)' % (name[:200], why(e)))
    return kept[:2000], lost[:2000]
