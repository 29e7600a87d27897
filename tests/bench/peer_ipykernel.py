"""ipykernel on a local socket: ms p50 of `x=1`, of `print(1)`, and from nothing to the first result. Exit 77: not there."""
import os
import statistics
import sys
import tempfile
import time

try:
    import ipykernel  # noqa: F401
    from jupyter_client.manager import KernelManager
except ImportError:
    sys.exit(77)

CELLS = 40


def cell(client, code):
    start = time.perf_counter()
    client.execute(code)
    while client.get_shell_msg(timeout=30)["msg_type"] != "execute_reply":
        pass
    while client.get_iopub_msg(timeout=30)["content"].get("execution_state") != "idle":
        pass
    return (time.perf_counter() - start) * 1e3


def main():
    with tempfile.TemporaryDirectory(prefix="airlock-bench-") as home:
        os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "XDG_RUNTIME_DIR"):
            os.environ[name] = home
        start = time.perf_counter()
        manager = KernelManager(transport="ipc", ip=os.path.join(home, "k"))
        manager.start_kernel()
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            cell(client, "print(1)")
            first = (time.perf_counter() - start) * 1e3
            times = [statistics.median(cell(client, code) for _ in range(CELLS)) for code in ("x=1", "print(1)")]
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        print(*times, first)


main()
