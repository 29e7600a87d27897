# Airlock: runs the program P, approved by a person, once, and prints what came of it as one line. [share/cells/claude.py]
import base64, ctypes, hashlib, json, os, shutil, signal, subprocess, sys, tempfile, threading, time

if 'P' not in globals():
    P = json.load(open(sys.argv[1]) if len(sys.argv) > 1 else sys.stdin)

BOOT = r'''
import ast, json, linecache, os, sys, traceback, types
T, SKIP, ME = sys.argv[1], sys.argv[2], os.getpid()
sys.argv = sys.argv[3:] or ['']
main = sys.modules['__main__'] = types.ModuleType('__main__')
told = {}
def load(name):
    with open(T + '/' + name, 'rb') as f:
        return f.read()
def run(source, name, space):
    text = source.decode('utf-8', 'replace')
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, 'exec'), space)
    return None if last is None else eval(compile(ast.Expression(last.value), name, 'eval'), space)
status = 0
try:
    if SKIP == '0':
        value = run(load('code'), '<code>', main.__dict__)
        told['value'] = None if value is None else repr(value)
except SystemExit as e:
    status = e.code
except BaseException as e:
    tb = e.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename == '<string>':
        tb = tb.tb_next
    lines = traceback.format_exception(type(e), e, tb)
    told['error'] = [type(e).__name__, str(e), ''.join(lines)]
    sys.stderr.write(''.join(lines))
    status = 1
if os.getpid() == ME:
    check = load('check')
    if check:
        try:
            run(check, '<check>', dict(main.__dict__))
            told['check'] = ''
        except BaseException as e:
            told['check'] = '%s: %s' % (type(e).__name__, e)
    with open(T + '/told', 'w', errors='replace') as f:
        json.dump(told, f)
sys.exit(status)
'''


def raw(text):
    return base64.b64decode(text)


def b64(text, most):
    data = text if isinstance(text, bytes) else text.encode('utf-8', 'replace')
    return base64.b64encode(data[:most]).decode()


def scan():
    found = {}
    for top, dirs, names in os.walk('.'):
        for name in names[:5000 - len(found)]:
            path = os.path.join(top, name)
            try:
                st = os.lstat(path)
                found[path[2:]] = (st.st_size, st.st_mtime_ns, st.st_ino)
            except OSError:
                pass
    return found


def drain(pipe, kept, most):
    while True:
        data = os.read(pipe.fileno(), 65536)
        if not data:
            return
        kept[1] += len(data)
        kept[0] += data[:max(0, most - len(kept[0]))]


def stop(child, sig):
    try:
        os.killpg(child.pid, sig)
    except OSError:
        pass


def family():
    """Whatever came of the program, however it went about it: we are the parent of what loses its own."""
    parents, mine = {}, {os.getpid()}
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % name, 'rb') as f:
                parents[int(name)] = int(f.read().rpartition(b')')[2].split()[1])
        except (OSError, ValueError, IndexError):
            pass
    while True:
        more = {p for p, parent in parents.items() if parent in mine} - mine
        if not more:
            return mine - {os.getpid()}
        mine |= more


def end_family():
    for _ in range(50):
        left = family()
        for sig in (signal.SIGSTOP, signal.SIGKILL):
            for pid in left:
                try:
                    os.kill(pid, sig)
                except OSError:
                    pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError:
            return
        time.sleep(0.01)


def main():
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    root, temp = '/workspace', tempfile.mkdtemp()
    try:
        os.makedirs(root, exist_ok=True)
    except OSError:
        pass
    if not os.access(root, os.W_OK):
        root = os.path.expanduser('~/workspace')
    cwd = root + os.fsdecode(raw(P['cwd']))[len('/workspace'):]
    os.makedirs(cwd, exist_ok=True)
    os.chdir(root)
    code = raw(P['code'])
    for name, data in (('code', code), ('check', raw(P['check'])), ('input', raw(P['input']))):
        with open(temp + '/' + name, 'wb') as f:
            f.write(data)
    for name, mode, data in P['files']:
        path = os.fsdecode(raw(name))
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        with open(path, 'wb') as f:
            f.write(raw(data))
        os.chmod(path, mode)
    args = [os.fsdecode(raw(a)) for a in P['argv']]
    boot = [sys.executable, '-c', BOOT, temp]
    words = {'python': boot + ['0'] + args,
             'bash': ['bash', '-c', '. ' + temp + '/code'] + args,
             'javascript': ['node', temp + '/code'] + args[1:]}[P['language']]
    was, out, err, late = scan(), [b'', 0], [b'', 0], False
    began = time.monotonic()
    try:
        child = subprocess.Popen(words, cwd=cwd, stdin=open(temp + '/input', 'rb'), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, start_new_session=True)
    except OSError as e:
        return {'failed': b64('%s: %s' % (words[0], e.strerror), 200)}
    readers = [threading.Thread(target=drain, args=a, daemon=True)
               for a in ((child.stdout, out, P['out']), (child.stderr, err, P['err']))]
    for r in readers:
        r.start()
    try:
        child.wait(P['timeout'])
    except subprocess.TimeoutExpired:
        late = True
        stop(child, signal.SIGTERM)
        try:
            child.wait(2)
        except subprocess.TimeoutExpired:
            stop(child, signal.SIGKILL)
            child.wait()
        end_family()
    us = int((time.monotonic() - began) * 1000000)
    for r in readers:
        r.join(0.5)
    if P['check'] and P['language'] != 'python' and not late:
        null = subprocess.DEVNULL
        try:
            subprocess.run(boot + ['1'], cwd=cwd, stdin=null, stdout=null, stderr=null, timeout=P['timeout'])
        except subprocess.TimeoutExpired:
            pass
    told = {}
    if os.path.exists(temp + '/told'):
        with open(temp + '/told') as f:
            told = json.load(f)
    shutil.rmtree(temp, ignore_errors=True)
    now, files = scan(), []
    for path in sorted(set(now) | set(was)):
        if now.get(path) != was.get(path) and len(files) < 100:
            files.append([b64(os.fsencode(path), 255), 'gone' if path not in now else 'new' if path not in was else 'changed',
                          now[path][0] if path in now else -1])
    return {'code': child.returncode, 'late': late, 'us': us, 'sha256': hashlib.sha256(code).hexdigest(), 'root': b64(root, 200),
            'out': b64(out[0], P['out']), 'out_bytes': out[1], 'err': b64(err[0], P['err']), 'err_bytes': err[1],
            'error': [b64(t, 4096) for t in told.get('error', [])],
            'value': b64(told.get('value') or '', 4096),
            'check': b64(told['check'], 1024) if 'check' in told else None,
            'exists': [os.path.exists(os.path.join(root, os.fsdecode(raw(p)))) for p in P['exists']], 'files': files}


try:
    told = main()
except Exception as e:
    told = {'failed': b64('%s: %s' % (type(e).__name__, e), 400)}
told['token'] = P['token']
print('\nAIRLOCK-RESULT ' + json.dumps(told), flush=True)
os._exit(0)
