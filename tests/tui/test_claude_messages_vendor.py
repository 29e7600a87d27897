"""Is the test server of claude-messages faithful? The vendor's npm client reads its streams unchanged. For developers: skipped, and said
so, where npm, node or the registry is out of reach."""
import json
import os
import shutil
import subprocess

import pytest

from test_claude_messages import Server
from test_sdk import clients, skip  # noqa: F401 (a fixture)

VENDOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers", "claude-messages", "vendor.mjs")
WELL = ["text", "server_tool_use", "bash_code_execution_tool_result", "text"]
TRICKS = [{"do": "well"}, {"do": "pause", "times": 2}, {"do": "split", "step": 5}, {"do": "second"}, {"do": "alter"}, {"do": "error-result", "code": "unavailable"},
          {"do": "refusal"}, {"do": "unknown-block"}, {"do": "error-event", "after": 2}, {"do": "truncate", "after": "end"}]
CELLS = [("x = 41\nopen(__import__('os').environ['OUTPUT_DIR'] + '/b.txt', 'w').close()", {"do": "well"}),
         ("print(x + 1, 'é')", {"do": "pause", "times": 2}), ("import asyncio\nawait asyncio.sleep(0)\nprint(x)", {"do": "split", "step": 3}),
         ("1/0", {"do": "well"}), ('P = {"code": "a"}', {"do": "alter"}), ("print(1)", {"do": "error-result", "code": "unavailable"}),
         ("print(1)", {"do": "other-tool"})]


def test_the_vendors_client_reads_it(clients):  # noqa: F811
    if shutil.which("bwrap") is None:
        pytest.skip("the test server needs bubblewrap")
    server = Server()
    command = "echo \"code\":\"é\"; echo made > $OUTPUT_DIR/a.txt; exit 3"
    env = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")}
    try:
        for t in TRICKS + [t for _, t in CELLS]:
            server.say(**t)
        done = subprocess.run(["node", VENDOR, server.key, server.env["ANTHROPIC_BASE_URL"], command, str(len(TRICKS)), *[c for c, _ in CELLS]],
                              env={**env, "SDK_DIR": clients}, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        stats = server.stats()
    finally:
        server.process.stdin.close()
        server.process.wait()
    got = json.loads(done.stdout)
    well, paused, split, second, altered, failed, refused, unknown, error, cut = got["out"][:len(TRICKS)]
    for o in (well, split):
        assert o["blocks"] == WELL and o["input"] == {"command": command} and o["stop"] == "end_turn" and o["tokens"]
        assert o["result"]["stdout"] == "code:é\n" and o["result"]["return_code"] == 3
    assert paused["turns"] == 2 and paused["blocks"] == ["bash_code_execution_tool_result", "text"]
    assert second["blocks"].count("server_tool_use") == 2 and altered["input"] != {"command": command}
    assert failed["result"]["error_code"] == "unavailable" and refused["stop"] == "refusal" and "brand_new_block" in unknown["blocks"]
    assert error["error"] and cut["error"]
    assert got["file"] == {"name": "a.txt", "text": "made\n", "deleted": "file_deleted"}
    assert "claude-haiku-5-5" in got["models"] and got["one"] is True
    assert stats["made"] == 1  # one container, named again and again
    set_, went_on, waited, raised, changed, gave_up, shell = got["out"][len(TRICKS):]
    assert set_["blocks"] == ["text", "server_tool_use", "code_execution_tool_result", "text"] and set_["caller"] == "direct"
    assert set_["input"] == {"code": CELLS[0][0]} and set_["result"]["type"] == "code_execution_result"
    assert [f["type"] for f in set_["result"]["content"]] == ["code_execution_output"]
    assert went_on["turns"] == 2 and went_on["result"]["stdout"] == "42 é\n" and waited["result"]["stdout"] == "41\n"
    assert raised["result"]["return_code"] == 1 and "ZeroDivisionError" in raised["result"]["stderr"]
    assert changed["input"] != {"code": CELLS[4][0]} and gave_up["result"] == \
        {"type": "code_execution_tool_result_error", "error_code": "unavailable"}
    assert shell["blocks"] == ["server_tool_use", "bash_code_execution_tool_result"]
