"""model.py - what the model says, as a stream of events: it does what the message asks, or the trick that was told. The rules of the API
that matter here are checked first, with their own words."""
import json
import re
import secrets

from place import BASH, REPL, Refusal

KEYS = {BASH: "command", REPL: "code"}


class Silence(Exception):
    """The connection ends here."""


def check(body, models, types):
    for key in ("model", "max_tokens", "messages"):
        if key not in body:
            raise Refusal(400, "invalid_request_error", "%s: Field required" % key)
    if body["model"] not in models:
        raise Refusal(404, "not_found_error", "model: " + body["model"])
    if any(k in body for k in ("temperature", "top_p", "top_k")):
        raise Refusal(400, "invalid_request_error", "sampling parameters are not taken")
    if "tool_choice" in body and body["tool_choice"]["type"] in ("tool", "any"):
        raise Refusal(400, "invalid_request_error", "tool_choice: forcing is not supported by this model")
    tools = body.get("tools", [])
    for i, t in enumerate(tools):
        if "type" in t and t["type"] not in types:
            raise Refusal(400, "invalid_request_error", "tools.%d.type: Input tag '%s' found using 'type' does not match any of the expected "
                          "tags" % (i, t["type"]))
    role = "assistant"
    for m in body["messages"]:
        if m["role"] == role or not m["content"]:
            raise Refusal(400, "invalid_request_error", "roles must alternate, content must not be empty")
        role = m["role"]
    calls = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"] if b["type"] == "server_tool_use"]
    if role == "assistant" and not calls:
        raise Refusal(400, "invalid_request_error", "This model does not support assistant message prefill. The conversation must end with a "
                      "user message.")


def pieces(text, size=0):
    size = size or (23 if len(text) < 1000 else 211)
    return [text[i:i + size] for i in range(0, len(text), size)]


class Answer:
    def __init__(self, body, place, trick):
        self.body, self.place, self.trick, self.do = body, place, trick, trick["do"]
        self.container, self.box = place.container(body.get("container"))
        self.index, self.tokens = 0, 1
        said = body["messages"][0]["content"]
        text = said if isinstance(said, str) else "".join(b.get("text", "") for b in said)
        found = re.search(r"<(command|code)>\n(.*)\n</\1>", text, re.S)
        self.key, self.wanted = found.groups() if found else ("command", None)
        self.tool = REPL if self.key == "code" else BASH

    # -- events

    def event(self, kind, **more):
        self.write(("event: %s\ndata: %s\n\n" % (kind, json.dumps({"type": kind, **more}))).encode())

    def block(self, start, deltas=()):
        if self.trick.get("after") == self.index:
            self.give_up()
        self.event("content_block_start", index=self.index, content_block=start)
        for d in deltas:
            self.event("content_block_delta", index=self.index, delta=d)
        self.event("content_block_stop", index=self.index)
        self.index += 1

    def give_up(self):
        if self.do == "error-event":
            self.event("error", error={"type": self.trick.get("kind", "overloaded_error"), "message": "Overloaded"})
        raise Silence

    def text(self, words):
        self.block({"type": "text", "text": "", "citations": None}, [{"type": "text_delta", "text": p} for p in pieces(words)])

    def call(self, call_id, name, value, kind="server_tool_use", caller="direct"):
        raw = json.dumps(value)
        self.tokens += len(raw) // 3
        self.block({"type": kind, "id": call_id, "name": name, "input": {}, "caller": {"type": caller}},
                   [{"type": "input_json_delta", "partial_json": p} for p in [""] + pieces(raw)])

    def result(self, call_id, content, name=None):
        self.block({"type": (name or self.tool) + "_tool_result", "tool_use_id": call_id, "content": content})

    def error(self, code):
        return {"type": self.tool + "_tool_result_error", "error_code": code}

    def run(self, text, name=None):
        return self.place.run(self.box, name or self.tool, text)

    def end(self, why, **more):
        container = None if self.do == "no-container" else {"id": self.container, "expires_at": "2026-11-22T23:59:59.000000Z", "skills": None}
        if self.trick.get("after") == "end":
            self.give_up()
        self.event("message_delta", delta={"stop_reason": why, "stop_sequence": None, "stop_details": None, "container": container, **more},
                   usage={"input_tokens": self.asked, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                          "output_tokens": self.tokens, "server_tool_use": None})
        self.event("message_stop")

    # -- what it was asked

    def pending(self):
        """Calls at the end of the history that have no result yet."""
        last = self.body["messages"][-1]
        if last["role"] != "assistant":
            return []
        done = {b.get("tool_use_id") for b in last["content"]}
        return [b for b in last["content"] if b["type"] == "server_tool_use" and b["id"] not in done]

    def rounds_so_far(self):
        return sum(b["type"] == "text" and b["text"].startswith("Working") for m in self.body["messages"][1:] for b in m["content"])

    # -- speaking

    def speak(self, write):
        self.write = write
        self.asked = len(json.dumps(self.body)) // 4
        self.event("message_start", message={
            "id": "msg_" + secrets.token_hex(8), "type": "message", "role": "assistant", "model": self.body["model"], "content": [],
            "container": None, "stop_reason": None, "stop_sequence": None, "stop_details": None,
            "usage": {"input_tokens": self.asked, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}})
        self.event("ping")
        self.new_id = "srvtoolu_01" + secrets.token_hex(8)
        pending = self.pending()
        for b in pending:
            self.result(b["id"], self.run(b["input"][KEYS[b["name"]]], b["name"]), b["name"])
        if self.do == "pause" and self.rounds_so_far() < self.trick.get("rounds", 1):
            return self.pause()
        if len(self.body["messages"]) > 1:
            self.text("done")
            return self.end("end_turn")
        if self.wanted is None:
            self.text("Hello! I am a model in a test.")
            return self.end("end_turn")
        if self.tool == REPL and not self.place.stays(self.body):
            self.text("There is no such tool here.")
            return self.end("end_turn")
        trick = getattr(self, "do_" + self.do.replace("-", "_"), self.do_well)
        return trick(self.wanted)

    def pause(self):
        self.text("Working, round %d." % (self.rounds_so_far() + 1))
        if len(self.body["messages"]) == 1:
            self.call(self.new_id, self.tool, {self.key: self.wanted})
        self.end("pause_turn")

    def do_well(self, command):
        self.text("I'll run it.")
        self.call(self.new_id, self.tool, {self.key: command})
        self.result(self.new_id, self.run(command))
        self.text("done")
        self.end("end_turn")

    def other(self, command, value, name=None, kind="server_tool_use"):
        name = name or self.tool
        self.call(self.new_id, name, value, kind)
        if kind == "server_tool_use":
            self.result(self.new_id, self.run(value.get(KEYS[name], command), name), name)
        self.end("end_turn")

    def do_alter(self, command):
        """One character of the program: the first letter of its base64 changes its case."""
        at = command.index('"code": "' if '"code": "' in command else '"code":"') + len('"code":"')
        at = next(i for i in range(at, len(command)) if command[i].isalpha())
        self.other(command, {self.key: command[:at] + command[at].swapcase() + command[at + 1:]})

    def do_shorten(self, command):
        self.other(command, {self.key: command[:-1]})

    def do_extra(self, command):
        self.other(command, {self.key: command, "restart": True})

    def do_twice(self, command):
        for i in "ab":
            self.call(self.new_id + i, self.tool, {self.key: command})
            self.result(self.new_id + i, self.run(command))
        self.end("end_turn")

    def do_second(self, command):
        self.call(self.new_id, self.tool, {self.key: command})
        self.result(self.new_id, self.run(command))
        self.text("Let me check that.")
        more = "touch /tmp/again; id" if self.tool == BASH else "open('/tmp/again', 'w')"
        self.call(self.new_id + "b", self.tool, {self.key: more})
        self.result(self.new_id + "b", self.run(more))
        self.end("end_turn")

    def do_other_tool(self, command):
        name = REPL if self.tool == BASH else BASH
        self.other(command, {KEYS[name]: command}, name)

    def do_client_tool(self, command):
        self.other(command, {self.key: command}, "execute_code", "tool_use")

    def do_editor(self, command):
        self.call(self.new_id, "text_editor_code_execution", {"command": "create", "path": "/tmp/p.py", "file_text": command})
        self.end("end_turn")

    def do_words(self, command):
        self.text("I would rather not run \x1b[31mthat\x1b[0m.")
        self.end("end_turn")

    def do_refusal(self, command):
        self.text("No.")
        self.end("refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": None})

    def do_max_tokens(self, command):
        raw = json.dumps({self.key: command})
        self.event("content_block_start", index=0, content_block={"type": "server_tool_use", "id": self.new_id, "name": self.tool, "input": {}})
        self.event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": raw[:len(raw) // 2]})
        self.event("content_block_stop", index=0)
        self.end("max_tokens")

    def do_error_result(self, command):
        self.call(self.new_id, self.tool, {self.key: command})
        self.result(self.new_id, self.error(self.trick["code"]))
        self.text("That did not work.")
        self.end("end_turn")

    def changed(self, command, change):
        self.call(self.new_id, self.tool, {self.key: command})
        content = self.run(command)
        content["stdout"] = change(content["stdout"])
        self.result(self.new_id, content)
        self.end("end_turn")

    def do_wrong_hash(self, command):
        self.changed(command, lambda s: re.sub(r'("sha256": ")(.)', lambda m: m.group(1) + ("0" if m.group(2) != "0" else "1"), s))

    def do_other_token(self, command):
        self.changed(command, lambda s: re.sub(r'("token": ")(.)', lambda m: m.group(1) + ("0" if m.group(2) != "0" else "1"), s))

    def do_no_begin(self, command):
        self.changed(command, lambda s: s.replace("AIRLOCK-BEGIN", "AIRLOCK-BEGUN"))

    def do_wrong_begin(self, command):
        self.changed(command, lambda s: re.sub(r'(AIRLOCK-BEGIN .*"sha256": ")(.)', lambda m: m.group(1) + ("0" if m.group(2) != "0" else "1"), s))

    def do_no_proof(self, command):
        self.changed(command, lambda s: "42\n")

    def do_garbage(self, command):
        self.changed(command, lambda s: s[:len(s) // 2])

    def do_unknown_block(self, command):
        self.call(self.new_id, self.tool, {self.key: command})
        self.result(self.new_id, self.run(command))
        self.block({"type": "brand_new_block", "foo": 1})
        self.end("end_turn")

    def do_other_result(self, command):
        self.call(self.new_id, self.tool, {self.key: command})
        self.result("srvtoolu_other", self.run(command))
        self.end("end_turn")

    def do_two_results(self, command):
        self.call(self.new_id, self.tool, {self.key: command})
        content = self.run(command)
        self.result(self.new_id, content)
        self.result(self.new_id, content)
        self.end("end_turn")

    def do_caller(self, command):
        self.call(self.new_id, self.tool, {self.key: command}, caller="code_execution_20260120")
        self.result(self.new_id, self.run(command))
        self.end("end_turn")

    def do_encrypted(self, command):
        self.call(self.new_id, self.tool, {self.key: command})
        self.result(self.new_id, {"type": "encrypted_code_execution_result", "encrypted_stdout": "x", "stderr": "", "return_code": 0,
                                  "content": []})
        self.end("end_turn")
