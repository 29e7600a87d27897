# python.py - what Airlock asks a remote notebook kernel beside the code of a person: variables, changed files, whether a path
# exists. Loaded once into a context, under a module name of its own; nothing of it stands among the variables.
#
# VARS and COMPLETE are the texts of share/kernels/python/vars.py and complete.py, which call no code of the user; AGAIN is a truth value.

import json
import os
import stat
import sys
import types

ROOT = '/workspace'
MIME = 'application/vnd.airlock.report+json'
FILES_MAX, TOLD_MAX = 20000, 1000


def load(name, text):
    module = types.ModuleType('_airlock_' + name)
    exec(compile(text, '<airlock %s>' % name, 'exec', dont_inherit=True), module.__dict__)
    return module


def shell():
    from IPython import get_ipython
    return get_ipython()


def tell(value):
    shell().display_pub.publish({MIME: value}, {})


def clean(text):
    return os.fsencode(text).decode('utf-8', 'replace').replace('\0', '\ufffd')


# ---- files

def scan():
    found, dirs = {}, [ROOT]
    while dirs and len(found) < FILES_MAX:
        try:
            with os.scandir(dirs.pop()) as entries:
                for e in entries:
                    if e.is_dir(follow_symlinks=False):
                        dirs.append(e.path)
                        continue
                    st = e.stat(follow_symlinks=False)
                    found[e.path] = (st.st_size, st.st_mtime_ns, st.st_ino, st.st_mode)
        except OSError:
            pass
    return found


def changed_files():
    now, was, out = scan(), me.files, []
    for path in sorted(set(now) | set(was)):
        new, old = now.get(path), was.get(path)
        if new != old and len(out) < TOLD_MAX:
            out.append({'path': clean(os.path.relpath(path, ROOT)), 'change': 'gone' if new is None else 'new' if old is None else 'changed',
                        'bytes': -1 if new is None else new[0]})
    me.files = now
    return out


# ---- variables

def change_of(v, old):
    if old is None:
        return 'new'
    if old[:2] != (v['type'], v['shape']):
        return 'changed'
    if not v['digest'] or not old[2]:
        return 'unknown'
    if v['digest'] != old[2]:
        return 'changed'
    return 'unknown' if v['opaque'] else 'same'


def changed_vars():
    ns = shell().user_ns
    mine = {n: v for n, v in list(ns.items()) if type(n) is str and not (n in me.base and me.base[n] is v)}
    told = []
    me.vars.report(mine, (), lambda batch: told.extend(batch['vars']))
    now = {}
    for v in told:
        v['change'] = change_of(v, me.seen.get(v['name']))
        now[v['name']] = (v['type'], v['shape'], v['digest'])
        v.pop('opaque')
    for name, old in me.seen.items():
        if name not in now:
            told.append({'name': name, 'type': old[0], 'shape': '', 'bytes': -1, 'preview': '', 'digest': '', 'change': 'gone'})
    me.seen = now
    return told


# ---- the cells

def hello():
    tell({'pid': os.getpid()})


def begin(argv, cwd, stdin, modes):
    """Arguments, directory and input of the next cell; permissions of its files."""
    for path, mode in modes:
        os.chmod(os.path.join(ROOT, path), mode)
    os.chdir(cwd)
    sys.argv = argv or ['']
    sys.stdin = open(stdin or os.devnull, encoding='utf-8', errors='surrogateescape')
    if stdin:
        os.unlink(stdin)


def report(paths):
    """After a run."""
    tell({'pid': os.getpid(), 'exists': [os.path.exists(os.path.join(ROOT, p)) for p in paths], 'vars': changed_vars(), 'files': changed_files()})


def place(path, writing):
    """Where a path of the workspace really is; links that lead out are not followed."""
    full = os.path.join(ROOT, path)
    real = os.path.realpath(full)
    if not (real + '/').startswith(ROOT + '/') or real == ROOT:
        tell({'error': 'it leads out of the workspace'})
    elif writing:
        tell({'path': real} if not os.path.isdir(real) else {'error': 'it is a directory'})
    else:
        try:
            st = os.stat(real)
        except OSError as e:
            tell({'error': e.strerror})
            return
        tell({'path': real, 'size': st.st_size} if stat.S_ISREG(st.st_mode) else {'error': 'it is no regular file'})


def complete(text):
    tell({'names': me.complete.names(shell().user_ns, text)})


me = types.ModuleType('_airlock_cells')
me.begin, me.report, me.place, me.names = begin, report, place, complete
me.vars, me.complete = load('vars', VARS), load('complete', COMPLETE)
# AGAIN: the interpreter lived before, so what has a name of a person's is a person's.
OURS = ('In', 'Out', 'get_ipython', 'exit', 'quit', 'open')
me.base = {n: v for n, v in shell().user_ns.items() if not AGAIN or n in OURS or n.startswith('_')}
me.seen, me.files = {}, scan()
sys.modules['_airlock_cells'] = me
hello()
