# complete.py - names that could stand at the cursor, found without running anybody's code: attribute
# names come from __dict__s read past every hook, never from getattr or dir().

import builtins
import keyword
import re
import sys
import types

WORD = re.compile(r'(?:([\w.]*)\.)?(\w*)$')
NAMES_MAX = 500


def dict_of(v):
    """The instance dictionary, by its own descriptor."""
    for base in type.__dict__['__mro__'].__get__(type(v)):
        slot = type.__dict__['__dict__'].__get__(base).get('__dict__')
        if type(slot) in (types.GetSetDescriptorType, types.MemberDescriptorType):
            try:
                found = slot.__get__(v)
            except Exception:
                return {}
            return found if isinstance(found, (dict, types.MappingProxyType)) else {}
    return {}


def is_type(v):
    return type in type.__dict__['__mro__'].__get__(type(v))


def attributes(v):
    """name → value as it lies in the dictionaries; a property stays a property."""
    found = {}
    line = [type(v)] if not is_type(v) else [type(v), v]
    for cls in line:
        for base in reversed(type.__dict__['__mro__'].__get__(cls)):
            found.update(type.__dict__['__dict__'].__get__(base))
    if not is_type(v):
        found.update(dict_of(v))
    return found


def resolve(ns, dotted):
    parts = dotted.split('.')
    if parts[0] in ns:
        v = ns[parts[0]]
    elif parts[0] in builtins.__dict__:
        v = builtins.__dict__[parts[0]]
    else:
        return None, False
    for part in parts[1:]:
        found = attributes(v)
        if part not in found:
            return None, False
        v = found[part]
        if isinstance(v, (property, staticmethod, classmethod)) or \
           type(v) in (types.GetSetDescriptorType, types.MemberDescriptorType):
            return None, False  # knowing more would mean running it
    return v, True


def matches(names, word):
    found = sorted({n for n in names if type(n) is str and len(n) <= 200 and n.startswith(word) and
                    (word.startswith('_') or not n.startswith('_'))})
    return found[:NAMES_MAX]


IMPORT = re.compile(r'^\s*(?:from|import)\s+([\w.]*)$')


def names(ns, text):
    line = text.rsplit('\n', 1)[-1]
    wanted = IMPORT.match(line)
    if wanted:
        word = wanted.group(1)
        return matches([n for n in set(sys.stdlib_module_names) | set(sys.modules) if n.count('.') == word.count('.')], word)
    dotted, word = WORD.search(line).groups()
    if dotted is None:
        return matches(list(ns) + list(builtins.__dict__) + keyword.kwlist, word)
    if not dotted or not dotted.split('.')[0]:
        return []
    v, found = resolve(ns, dotted)
    return [dotted + '.' + n for n in matches(attributes(v), word)] if found else []
