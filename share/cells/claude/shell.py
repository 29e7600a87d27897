# Airlock: runs the program P, approved by a person, once, and prints what came of it as one line. [share/cells/claude/shell.py]
import ctypes, shutil, subprocess, tempfile

if 'P' not in globals():
    P = json.load(open(sys.argv[1]) if len(sys.argv) > 1 else sys.stdin)

BOOT = RUN + r'''
import json, os, sys, types
T, SKIP, ME = sys.argv[1], sys.argv[2], os.getpid()
sys.argv = sys.argv[3:] or ['']
main = sys.modules['__main__'] = types.ModuleType('__main__')
told = {}
def load(name):
    with open(T + '/' + name, 'rb') as f:
        return f.read()
status = 0
try:
    if SKIP == '0':
        value = run(load('code'), '<code>', main.__dict__)
        told['value'] = None if value is None else repr(value)
except SystemExit as e:
    status = e.code
except BaseException as e:
    told['error'] = blame(e, '<code>')
    sys.stderr.write(told['error'][2])
    status = 1
if os.getpid() == ME:
    check = load('check')
    if check:
        told['check'] = judge(check, main.__dict__)
    with open(T + '/told', 'w', errors='replace') as f:
        json.dump(told, f)
sys.exit(status)
'''


def main():
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    root, temp = place(), tempfile.mkdtemp()
    cwd = enter(root)
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
    readers = [drain(child.stdout, out, P['out']), drain(child.stderr, err, P['err'])]
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
    return result(code, child.returncode, late, us, root, out, err, told, was)


def stop(child, sig):
    try:
        os.killpg(child.pid, sig)
    except OSError:
        pass


try:
    told = main()
except Exception as e:
    told = {'failed': b64('%s: %s' % (type(e).__name__, e), 400)}
say(told)
os._exit(0)
