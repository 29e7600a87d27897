# vars.py - what the variables of a session are, without calling a line of the code that made them.
#
# Only exact built-in types and known array and frame types are looked into; of other objects the
# attributes are read straight from their slots for the digest, and only the type is shown. Runs in
# a frozen copy, after `done`. [architecture §6]

import _blake2
import sys
import time
import types

BUDGET_S = 0.020   # of CPU: a busy machine must not make variables unknown
ONE_S = 0.005      # of it for one variable
VARS_MAX = 2000
NAME_MAX = 200
PREVIEW_MAX = 360  # bytes of UTF-8
WHOLE = 1 << 20    # hashed whole up to here
SAMPLES, SAMPLE = 64, 256
DEPTH = 12
ITEMS = 20000      # looked at in one variable
MANY = 4096        # a container is hashed whole up to here
LINE_MAX = 400000

BASIC = (int, float, complex, bool, type(None), str, bytes, bytearray, range, type(Ellipsis), slice)
NUMBERS = ('bool_', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64', 'float16', 'float32',
           'float64', 'complex64', 'complex128', 'str_', 'bytes_', 'datetime64', 'timedelta64')
getset = type(types.FunctionType.__dict__['__code__'])
member = types.MemberDescriptorType


class Late(Exception):
    """The budget is spent."""


class Look:
    def __init__(self, until):
        self.hash = _blake2.blake2b(digest_size=8)
        self.until = until
        self.seen = set()
        self.items = 0
        self.sampled = self.opaque = False

    def spend(self, n=1):
        self.items += n
        if self.items & 255 == 0 or n > 255:
            if time.thread_time() > self.until:
                raise Late
        if self.items > ITEMS:
            self.sampled = True
            return False
        return True

    def raw(self, tag, data):
        """Bytes: whole when short, else length and samples."""
        n = len(data)
        self.hash.update(b'%s%d:' % (tag, n))
        if n <= WHOLE:
            self.hash.update(data)
            self.items += n >> 12
            return
        self.sampled = True
        step = n // SAMPLES
        for at in range(0, n - SAMPLE, step):
            self.hash.update(data[at:at + SAMPLE])
        self.hash.update(data[n - SAMPLE:])


def class_name(cls):
    """module.name of a type, read past any metaclass."""
    name = type.__dict__['__name__'].__get__(cls)
    module = type.__dict__['__dict__'].__get__(cls).get('__module__')
    if type(module) is not str or module in ('builtins', '__main__'):
        return name
    return module + '.' + name


def known(module, name):
    found = sys.modules.get(module)
    return None if found is None else types.ModuleType.__getattribute__(found, '__dict__').get(name)


def is_known(value, module, name):
    cls = known(module, name)
    return cls is not None and type(value) is cls


def is_array(v):
    return is_known(v, 'numpy', 'ndarray')


def array_is_plain(v):
    return v.dtype.kind in 'biufcSUmM'


# ---- digests

def digest_instance(look, v, depth):
    """Attributes from __dict__ and __slots__, by their descriptors: no attribute hook runs."""
    cls = type(v)
    look.hash.update(b'o' + class_name(cls).encode('utf-8', 'replace'))
    found = False
    for base in type.__dict__['__mro__'].__get__(cls):
        if not base.__flags__ & (1 << 9):  # not made by a class statement: C state we can't see
            if base is not object:
                look.opaque = True
            continue
        for name, slot in list(type.__dict__['__dict__'].__get__(base).items()):
            if name == '__dict__' and type(slot) is getset:
                found = True
                digest(look, slot.__get__(v), depth + 1)
            elif type(slot) is member:
                found = True
                try:
                    digest(look, slot.__get__(v), depth + 1)
                except AttributeError:
                    look.hash.update(b'-')
    if not found:
        look.opaque = True


def sample(v):
    """All items of a list or tuple, or its beginning, end and blocks between."""
    n = len(v)
    if n <= MANY:
        return v
    step = n // SAMPLES
    return [x for at in range(0, n - 32, step) for x in v[at:at + 32]] + list(v[n - 32:])


def some_of(a):
    """The objects in an array: all, or blocks of them."""
    if a.size <= MANY:
        return a.flat
    return [x for at in range(0, a.size - 32, a.size // SAMPLES) for x in a.flat[at:at + 32]]


def digest_items(look, tag, items, n, depth):
    look.hash.update(b'%s%d:' % (tag, n))
    look.sampled |= n > MANY
    for item in items:
        if not look.spend():
            return
        digest(look, item, depth + 1)


def ends(v):
    """Pairs of a dict: all, or the first and the last ones."""
    n = len(v)
    items = v.items()
    if n <= MANY:
        return [x for pair in items for x in pair]
    some = [pair for _, pair in zip(range(MANY // 2), items)]
    some += [pair for _, pair in zip(range(MANY // 2), reversed(items))]
    return [x for pair in some for x in pair]


def digest_set(look, v, depth):
    parts = []
    look.sampled |= len(v) > MANY
    for _, item in zip(range(MANY), v):
        if not look.spend():
            break
        one = Look(look.until)
        one.seen = look.seen
        digest(one, item, depth + 1)
        look.opaque |= one.opaque
        parts.append(one.hash.digest())
    look.hash.update(b'S%d:' % len(v) + b''.join(sorted(parts)))


def digest_function(look, v, depth):
    code = v.__code__
    look.raw(b'f', code.co_code)
    look.hash.update(repr((code.co_names, code.co_varnames, code.co_firstlineno and 0)).encode('utf-8', 'replace'))
    for const in code.co_consts:
        if type(const) is types.CodeType:
            look.raw(b'c', const.co_code)
        else:
            digest(look, const, depth + 1)
    if v.__defaults__:
        digest(look, v.__defaults__, depth + 1)


def digest_frame(look, v, depth):
    for name in list(v.columns)[:200]:
        digest(look, name, depth + 1)
    for i in range(min(v.shape[1], 200)):
        digest(look, v.iloc[:, i].to_numpy(), depth + 1)
        look.spend(256)


def digest(look, v, depth=0):
    t = type(v)
    if t is str:
        look.raw(b's', v.encode('utf-8', 'surrogatepass'))
    elif t is int and v.bit_length() > 64:
        look.raw(b'i', v.to_bytes(v.bit_length() // 8 + 1, 'little', signed=True))
    elif t in (int, float, complex, bool, type(None), range, slice, type(Ellipsis)):
        look.hash.update(repr(v).encode() + b';')
    elif t in (bytes, bytearray):
        look.raw(b'b', v)
    elif id(v) in look.seen or depth > DEPTH:
        look.hash.update(b'^')
        look.sampled |= depth > DEPTH
    else:
        look.seen.add(id(v))
        digest_object(look, v, t, depth)
        look.seen.discard(id(v))


def digest_object(look, v, t, depth):
    if t in (list, tuple):
        digest_items(look, b'l' if t is list else b't', sample(v), len(v), depth)
    elif t is dict:
        digest_items(look, b'd', ends(v), len(v), depth)
    elif t in (set, frozenset):
        digest_set(look, v, depth)
    elif is_array(v):
        look.hash.update(repr((v.shape, v.dtype.str)).encode())
        if v.dtype.kind == 'O':
            digest_items(look, b'O', some_of(v), v.size, depth)
        elif not array_is_plain(v):
            look.opaque = True
        elif v.flags.c_contiguous:
            look.raw(b'a', v.reshape(-1).view('u1').data)
        elif v.nbytes <= WHOLE:
            look.raw(b'a', v.tobytes())
        else:
            look.sampled = True
            look.raw(b'a', v.flat[:MANY].tobytes())
        look.spend(256)
    elif is_known(v, 'pandas', 'DataFrame'):
        digest_frame(look, v, depth)
    elif is_known(v, 'pandas', 'Series'):
        digest(look, v.to_numpy(), depth + 1)
    elif t is types.ModuleType:
        look.hash.update(b'm' + str(types.ModuleType.__getattribute__(v, '__dict__').get('__name__')).encode())
    elif t is types.FunctionType:
        digest_function(look, v, depth)
    elif isinstance_type(t):
        look.hash.update(b'T' + class_name(v).encode('utf-8', 'replace') + b'%d' % id(v))
    elif t is types.BuiltinFunctionType:
        look.hash.update(b'B' + v.__name__.encode())
    else:
        digest_instance(look, v, depth)


def isinstance_type(t):
    """Is t a metaclass, that is: are its instances types? Asked past any hook."""
    return type in type.__dict__['__mro__'].__get__(t)


# ---- previews

def clip(text, n=PREVIEW_MAX):
    raw = text.encode('utf-8', 'backslashreplace')
    return raw.decode() if len(raw) <= n else raw[:n].decode('utf-8', 'ignore') + '…'


def short(v, depth=0):
    t = type(v)
    if t in (str, bytes, bytearray):
        return repr(v[:PREVIEW_MAX]) + ('…' if len(v) > PREVIEW_MAX else '')
    if t is int and v.bit_length() > 4000:
        return '<int of %d bits>' % v.bit_length()
    if t in BASIC:
        return repr(v)
    if t in (list, tuple, set, frozenset, dict):
        return short_container(v, t, depth)
    return shown(v, t)


def short_container(v, t, depth):
    open_, close = {list: '[]', tuple: '()', set: '{}', frozenset: ('frozenset({', '})'), dict: '{}'}[t]
    if not v:
        return repr(v)
    if depth >= 3:
        return open_ + '…' + close
    parts, used = [], 0
    for item in (v.items() if t is dict else v):
        text = (short(item[0], depth + 1) + ': ' + short(item[1], depth + 1)) if t is dict else short(item, depth + 1)
        parts.append(text)
        used += len(text) + 2
        if used > PREVIEW_MAX and len(parts) < len(v):
            parts.append('…')
            break
    if t is tuple and len(parts) == 1:
        parts.append('')
    return open_ + ', '.join(parts).rstrip() + close


def cell(v):
    """One value of an array: numbers of numpy by their own text, strings and plain values as everywhere."""
    t = type(v)
    if t.__module__ == 'numpy' and t.__name__ in NUMBERS:
        return str(v)
    return short(v, 3) if t in BASIC else '<%s>' % class_name(t)


def cells(a, n):
    """A column of a frame: its first values and its type."""
    if type(a) is not known('numpy', 'ndarray'):
        return '<%s>' % class_name(type(a))
    return '%s [%s%s]' % (a.dtype.name, ', '.join(cell(x) for _, x in zip(range(3), a.flat)), ', …' if n > 3 else '')


def shown_frame(v):
    parts, used = [], 0
    for i, name in enumerate(list(v.columns)[:30]):
        parts.append('%s %s' % (short(name), cells(v.iloc[:3, i].to_numpy(), v.shape[0])))
        used += len(parts[-1]) + 2
        if used > PREVIEW_MAX:
            break
    return clip('; '.join(parts) + ('; …' if len(parts) < v.shape[1] else ''))


def shown(v, t):
    if is_array(v):
        if not array_is_plain(v):
            return '<numpy.ndarray of %s>' % v.dtype.name
        flat = [x for _, x in zip(range(12), v.flat)]
        return 'array([' + ', '.join(str(x) for x in flat) + (', …' if v.size > 12 else '') + '])'
    if is_known(v, 'pandas', 'DataFrame'):
        return shown_frame(v)
    if is_known(v, 'pandas', 'Series'):
        return cells(v.to_numpy(), v.shape[0])
    if t is types.ModuleType:
        return '<module %s>' % types.ModuleType.__getattribute__(v, '__dict__').get('__name__')
    if t is types.FunctionType:
        code = v.__code__
        return '<function %s(%s)>' % (v.__name__, ', '.join(code.co_varnames[:code.co_argcount]))
    if isinstance_type(t):
        return '<class %s>' % class_name(v)
    return '<%s>' % class_name(t)


def shape_of(v, t):
    if is_array(v) or is_known(v, 'pandas', 'DataFrame') or is_known(v, 'pandas', 'Series'):
        return '×'.join(str(int(n)) for n in v.shape) or 'scalar'
    if t in (str, bytes, bytearray, list, tuple, dict, set, frozenset, range):
        return str(len(v))
    return ''


def size_of(v, t):
    if is_array(v):
        return int(v.nbytes)
    if is_known(v, 'pandas', 'DataFrame'):
        return int(v.memory_usage(index=True, deep=False).sum())
    if is_known(v, 'pandas', 'Series'):
        return int(v.memory_usage(index=True, deep=False))
    if t in BASIC or t in (list, tuple, dict, set, frozenset):
        return sys.getsizeof(v)
    return -1


# ---- the report

def describe(name, v, until):
    t = type(v)
    look = Look(until)
    digest(look, v)
    type_name = class_name(t)
    if is_array(v):
        type_name = 'numpy.ndarray[%s]' % v.dtype.name
    return {'name': clip(name, NAME_MAX), 'type': clip(type_name, NAME_MAX), 'shape': shape_of(v, t), 'bytes': size_of(v, t),
            'preview': clip(short(v)), 'digest': look.hash.hexdigest() + ('~' if look.sampled else ''),
            'opaque': int(look.opaque)}


def order(ns, names):
    """Those the code named first: they are the ones that changed."""
    public = [n for n in ns if type(n) is str and not n.startswith('_')]
    named = [n for n in dict.fromkeys(names) if n in ns and not n.startswith('_')]
    first = set(named)
    return named + [n for n in public if n not in first]


def report(ns, names, send):
    until = time.thread_time() + BUDGET_S
    batch, size = [], 0
    todo = order(ns, names)
    for name in todo[:VARS_MAX]:
        entry = None
        now = time.thread_time()
        if now < until:
            try:
                entry = describe(name, ns[name], min(until, now + ONE_S))
            except Exception:
                pass  # it took too long, or is stranger than we know
        if entry is None:
            entry = {'name': clip(name, NAME_MAX), 'type': clip(class_name(type(ns[name])), NAME_MAX), 'shape': '', 'bytes': -1,
                     'preview': '', 'digest': '', 'opaque': 1}
        batch.append(entry)
        size += 300 + 6 * len(entry['preview']) + 6 * len(entry['name'])
        if size > LINE_MAX:
            send({'t': 'state', 'more': 1, 'vars': batch})
            batch, size = [], 0
    send({'t': 'state', 'more': 0, 'vars': batch, 'truncated': len(todo) > VARS_MAX})
