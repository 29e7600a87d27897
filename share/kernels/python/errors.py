# errors.py - how a run failed: tracebacks as python shows them, which limit it was, and checks.

import _io
import _signal
import os
import sys

import _airlock as kernel

K = kernel.K


def safe_str(value):
    try:
        return str(value)
    except BaseException as e:
        return '<%s could not be shown: %s>' % (type(value).__name__, type(e).__name__)


def own_frames(tb):
    """Without the frames of the kernel at the top."""
    here = (kernel.__file__, os.path.join(kernel.HERE, 'show.py'))
    while tb is not None and tb.tb_frame.f_code.co_filename in here:
        tb = tb.tb_next
    return tb


def format_error(error):
    try:
        import traceback
        return ''.join(traceback.format_exception(type(error), error, own_frames(error.__traceback__)))
    except BaseException:
        return 'Traceback (most recent call last):\n(not available)\n%s: %s\n' % (
            type(error).__name__, safe_str(error))


def hook_of_user():
    return sys.excepthook if sys.excepthook is not sys.__excepthook__ else None


LIMITS = {28: 'disk', 122: 'disk', 27: 'file size'}


def can_fork():
    try:
        pid = os.fork()
    except OSError:
        return False
    if pid == 0:
        os._exit(0)
    try:
        os.waitpid(pid, 0)
    except OSError:
        pass
    return True


def limit_of(error):
    """Which limit of the sandbox this exception is about, if any."""
    for _ in range(10):
        if isinstance(error, OSError) and error.errno in LIMITS:
            return LIMITS[error.errno]
        if (isinstance(error, OSError) and error.errno == 11) or \
           (isinstance(error, RuntimeError) and error.args == ("can't start new thread",)):
            return '' if can_fork() else 'pids'  # EAGAIN has other reasons, too
        error = error.__cause__ or error.__context__
        if error is None:
            break
    return ''


def failed(error, done):
    if isinstance(error, SystemExit):
        code = error.code
        if code is None:
            code = 0
        elif isinstance(code, int):
            code = int(code) & 0xff
        else:
            write_error(safe_str(code) + '\n')
            code = 1
        done['code'] = code
        return
    if isinstance(error, KeyboardInterrupt):
        done['interrupted'] = 1
        K.interrupted = True
    text = kernel.cut(format_error(error))
    done['code'] = 1
    done['error'] = {'name': type(error).__name__[:400], 'value': safe_str(error)[:20000],
                     'traceback': text[:100000]}
    limit = limit_of(error)
    if limit:
        done['limit'] = limit
    hook = hook_of_user()
    if hook is not None:
        try:
            hook(type(error), error, own_frames(error.__traceback__))
            return
        except BaseException:
            pass
    write_error(text)


def write_error(text):
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except BaseException:
        os.write(K.err, text.encode('utf-8', 'backslashreplace'))


def run_check(check, done):
    name = '<check of run %d>' % K.run
    saved = sys.stdout, sys.stderr
    kernel.remember(name, check.decode('utf-8', 'replace'))
    result = {'ok': True, 'text': ''}
    try:
        sys.stdout = sys.stderr = _io.StringIO()
        try:
            kernel.set_interrupt(_signal.default_int_handler)
            exec(compile(check, name, 'exec', K.flags, dont_inherit=True), dict(kernel.ns))
        finally:
            kernel.set_interrupt(kernel.on_idle_interrupt)
    except BaseException as e:
        result = {'ok': False, 'text': check_text(e, check)}
    finally:
        sys.stdout, sys.stderr = saved
    done['check'] = result


def check_text(error, check):
    text = type(error).__name__
    value = safe_str(error)
    if value:
        text += ': ' + value
    tb, line = error.__traceback__, 0
    while tb is not None:
        if tb.tb_frame.f_code.co_filename.startswith('<check '):
            line = tb.tb_lineno
        tb = tb.tb_next
    lines = check.decode('utf-8', 'replace').splitlines()
    if 0 < line <= len(lines):
        text += ' (line %d: %s)' % (line, lines[line - 1].strip())
    return text[:4000]
