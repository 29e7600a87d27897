"""Is the test server faithful? The vendor's own packages work against it unchanged. Skipped, and said so, where they can't be had."""
import json
import os
import shutil
import subprocess
import tempfile

import pytest

from test_e2b import Server

PACKAGES = ("e2b@2.51.0", "@e2b/code-interpreter@2.8.0")
HERE = os.path.dirname(os.path.abspath(__file__))


def packages():
    """A directory with them in its node_modules; outside the tree, kept for the next time."""
    cache = os.path.join(tempfile.gettempdir(), "airlock-test-cache-%d" % os.getuid())
    os.makedirs(cache, mode=0o700, exist_ok=True)
    if os.stat(cache).st_uid != os.getuid():
        pytest.skip("SKIP: %s is somebody else's" % cache)
    place = os.path.join(cache, "e2b-" + "-".join(p.rsplit("@", 1)[1] for p in PACKAGES))
    if os.path.isdir(place):
        return place
    if shutil.which("npm") is None:
        pytest.skip("SKIP: the vendor's packages were not tried: no npm")
    with tempfile.TemporaryDirectory(dir=cache) as fresh:
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", "--prefix", fresh, *PACKAGES]
        try:
            done = subprocess.run(command, capture_output=True, timeout=60, cwd=fresh)
        except subprocess.TimeoutExpired:
            pytest.skip("SKIP: the vendor's packages were not tried: npm did not bring them within 60 s")
        if done.returncode != 0:
            pytest.skip("SKIP: the vendor's packages were not tried: npm can't be reached")
        os.makedirs(place)
        os.rename(os.path.join(fresh, "node_modules"), os.path.join(place, "node_modules"))
    return place


def test_the_vendors_packages_work_unchanged():
    if shutil.which("node") is None or shutil.which("bwrap") is None:
        pytest.skip("SKIP: the vendor's packages were not tried: no node or no bubblewrap")
    place, server = packages(), Server()
    try:
        done = subprocess.run(["node", os.path.join(HERE, "..", "servers", "e2b", "vendor.mjs"), place], capture_output=True, timeout=30,
                              env={**os.environ, **server.env})
        assert done.returncode == 0, done.stderr.decode()
        out = json.loads(done.stdout)
        assert server.alive() == []
    finally:
        server.process.stdin.close()
        server.process.wait()
    del out["id"]
    assert out == {"stdout": "hello\n", "text": "21", "state": "40", "error": "ZeroDivisionError", "rich": "<b>1</b>", "file": "text",
                   "listed": ["b.txt"], "command": ["out\n", "err\n", 0], "exit": 3, "found": True, "context": "/tmp", "info": ["running", 2, 512],
                   "metrics": 1, "paused": True, "pausedAgain": False, "pausedState": "paused", "kept": "60", "snapshot": "20",
                   "snapshots": [True], "otherKilled": True, "deleted": True, "deletedAgain": False, "forks": 2, "killed": True}
