"""kernel.py - stands in for ipykernel in the test sandbox: executes cells in one namespace. JSON lines on descriptor 3, output on 1, 2."""
import ast
import builtins
import io
import json
import os
import signal
import sys
import traceback
import types

ctl_in, ctl_out = os.fdopen(os.dup(3), "rb"), os.fdopen(os.dup(3), "wb")
os.close(3)
main = types.ModuleType("__main__")
sys.modules["__main__"] = main
ns = main.__dict__
ns["__builtins__"] = builtins
count = 0
KEYS = {"_repr_html_": "text/html", "_repr_markdown_": "text/markdown", "_repr_svg_": "image/svg+xml", "_repr_png_": "image/png",
        "_repr_jpeg_": "image/jpeg", "_repr_latex_": "text/latex", "_repr_json_": "application/json"}


def send(message):
    ctl_out.write(json.dumps(message, default=repr).encode() + b"\n")
    ctl_out.flush()


def as_json(data):
    import base64
    return base64.b64encode(data).decode() + "\n" if isinstance(data, (bytes, bytearray)) else data


def bundle(value):
    data = {}
    kind = type(value)
    if hasattr(kind, "_repr_mimebundle_"):
        data.update(value._repr_mimebundle_(include=None, exclude=None) or {})
    for name, mime in KEYS.items():
        if mime not in data and hasattr(kind, name):
            got = getattr(value, name)()
            if got is not None:
                data[mime] = got
    if isinstance(value, (dict, list)):
        data.setdefault("application/json", value)
    data.setdefault("text/plain", repr(value))
    return {k: as_json(v) for k, v in data.items()}


def publish(data, metadata=None, **_):
    sys.stdout.flush()
    send({"data": {k: as_json(v) for k, v in data.items()}, "main": False})


def display(*values, raw=False, **_):
    for v in values:
        publish(v if raw else bundle(v))


class Shell:
    display_pub = types.SimpleNamespace(publish=publish)
    user_ns = ns


def shim():
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: Shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    sys.modules["IPython"], sys.modules["IPython.display"] = ipython, ipython.display
    builtins.display, builtins.get_ipython = display, ipython.get_ipython


class StdinNotImplementedError(Exception):
    pass


def no_input(prompt=""):
    raise StdinNotImplementedError("raw_input was called, but this frontend does not support input requests.")


def flush():
    for s in (sys.stdout, sys.stderr):
        try:
            s.flush()
        except Exception:
            pass


def execute(code):
    name = "Cell In[%d]" % count
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), ns)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), name, "eval"), ns)
        if value is not None and not code.rstrip().endswith(";"):
            ns["_"] = value
            flush()
            send({"data": bundle(value), "main": True})


def run(code):
    global count
    if code.strip():
        count += 1
    send({"count": count})
    builtins.input = no_input
    try:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            execute(code)
        finally:
            signal.signal(signal.SIGINT, ignore)
    except BaseException as e:
        kind, value, tb = type(e), e, e.__traceback__
        while tb is not None and tb.tb_frame.f_code.co_filename == __file__:
            tb = tb.tb_next
        text = "".join(traceback.format_exception(kind, value, tb))
        flush()
        send({"error": {"name": kind.__name__, "value": str(value), "traceback": "-" * 75 + text}})
    flush()


def dump(path):
    """What a snapshot of the machine's memory would keep, as far as it can be pickled."""
    import cloudpickle
    kept = {}
    for name, value in list(ns.items()):
        if not name.startswith("__"):
            try:
                kept[name] = cloudpickle.dumps(value)
            except Exception:
                pass
    with open(path, "wb") as f:
        cloudpickle.dump((count, os.getcwd(), kept), f)


def load(path):
    global count
    import pickle
    with open(path, "rb") as f:
        count, cwd, kept = pickle.load(f)
    for name, data in kept.items():
        try:
            ns[name] = pickle.loads(data)
        except Exception:
            pass
    os.chdir(cwd)
    os.unlink(path)


def ignore(signo, frame):
    """An interrupt while no cell runs."""


def main_loop():
    shim()
    signal.signal(signal.SIGINT, ignore)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", buffering=0), encoding="utf-8", errors="surrogateescape", write_through=True)
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", buffering=0), encoding="utf-8", errors="backslashreplace", write_through=True)
    for line in ctl_in:
        m = json.loads(line)
        if "dump" in m:
            dump(m["dump"])
        elif "load" in m:
            load(m["load"])
        else:
            run(m["code"])
        send({"done": 1})


main_loop()
