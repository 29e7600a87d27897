# Runs a piece of python in a namespace, and says what went wrong there. [share/cells/claude/run.py]
import ast, linecache, traceback


def run(source, name, space):
    text = source.decode('utf-8', 'replace')
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, 'exec', dont_inherit=True), space)
    return None if last is None else eval(compile(ast.Expression(last.value), name, 'eval', dont_inherit=True), space)


def blame(e, name):
    tb = e.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename != name:
        tb = tb.tb_next
    told = [type(e).__name__, '', type(e).__name__ + '\n']
    try:  # an error may have a text that fails itself
        told[1] = str(e)
        told[2] = ''.join(traceback.format_exception(type(e), e, tb))
    except BaseException:
        pass
    return told


def judge(check, space):
    """What is wrong; nothing: ''."""
    try:
        run(check, '<check>', dict(space))
        return ''
    except BaseException as e:
        return ': '.join(blame(e, '')[:2])
