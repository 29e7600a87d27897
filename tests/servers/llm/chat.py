"""Chat completions: scripted conversations in the manners of the servers that speak it, and faults by name. Requests are checked by
its rules; what breaks them is answered 400."""
import json

from wire import KEY, Api, sse

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050, "prompt_tokens_details": {"cached_tokens": 200}}
CODE = "print(6*7)  # \u00e9\U0001f600\n"
PROSE, THOUGHT = "Here is the code.", "I think \u00e9\U0001f600."


def data(value):
    return ("data: %s\n\n" % json.dumps(value)).encode()


def chunk(delta, finish=None, **more):
    return data({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                 "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}], **more})


def start():
    return chunk({"role": "assistant", "content": None})


def text(words, size=5):
    return b"".join(chunk({"content": words[k:k + size]}) for k in range(0, len(words), size))


def thoughts(words, key="reasoning_content"):
    return chunk({key: words[:5]}) + chunk({key: words[5:]})


def function(name, arguments):
    return {"name": name, "arguments": arguments}


def fragment(index, **call):
    return chunk({"tool_calls": [{"index": index, **call}]})


def call(index, call_id, name, value, size=7, raw=None):
    whole = raw if raw is not None else json.dumps(value)
    out = fragment(index, id=call_id, type="function", function=function(name, ""))
    return out + b"".join(fragment(index, function={"arguments": whole[k:k + size]}) for k in range(0, len(whole), size))


def arguments(code, step="1", expect=(), language="python"):
    return {"language": language, "purpose": "find the answer", "step": step, "expect": list(expect), "code": code}


def execute(index, call_id, code, **more):
    return call(index, call_id, "execute_code", arguments(code, **more))


def steps(status="active"):
    return {"steps": [{"id": "1", "title": "Compute the answer", "status": status}]}


def usage():
    return data({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE})


def end(finish="tool_calls"):
    return chunk({}, finish) + usage() + DONE


BEFORE = start() + thoughts(THOUGHT) + text(PROSE)
PROPOSAL = BEFORE + execute(0, "call_1", CODE) + end()
FINISH = start() + call(0, "call_f", "finish", {"answer": "It is 42.", "evidence": ["run 2 printed 42"]}) + end()
EVIL = json.dumps(arguments("evil()"))


def whole_call(call_id, value, name="execute_code"):
    return {"id": call_id, "type": "function", "function": function(name, json.dumps(value))}


def message(finish="tool_calls", calls=None):
    """A completion in one piece."""
    calls = [whole_call("call_1", arguments(CODE))] if calls is None else calls
    return {"id": "chatcmpl-1", "object": "chat.completion", "usage": USAGE, "choices": [{"index": 0, "finish_reason": finish, "message": {
        "role": "assistant", "content": PROSE, "reasoning_content": THOUGHT, "tool_calls": calls}}]}


class Chat(Api):
    PROPOSAL, FINISH, PATH = PROPOSAL, FINISH, "/v1/chat/completions"
    LAST = b'data: {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {}'

    def conversation(self, turn):
        """Plan, a failed attempt, a second one that holds, an answer."""
        return [
            start() + thoughts("First a plan.") + text("I will compute it.") + call(0, "call_p1", "update_plan", steps()) + end(),
            start() + execute(0, "call_a1", "print(6*7-1)\n", expect=["exit 0", "stdout contains 42"]) + end(),
            start() + thoughts("Off by one.") +
            execute(0, "call_a2", "answer = 6 * 7\nprint(answer)\n", expect=["exit 0", "stdout contains 42"]) + end(),
            start() + call(0, "call_p2", "update_plan", steps("done")) + end(),
            FINISH,
        ][min(turn, 4)]

    def slow_code(self):
        return start() + text("Writing it.") + \
            execute(0, "call_1", "first_half = 1\nsecond_half = 2\nprint(first_half)\n") + end()

    def refusal(self, status, kind, words="Sorry", code=None, **headers):
        body = json.dumps({"error": {"message": words, "type": kind, "param": None, "code": code}}).encode()
        return status, {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}, body

    # -- the list of models

    @staticmethod
    def lists_models(path, headers):
        return path == "/v1/models" and "anthropic-version" not in headers

    def models(self, conn, path, headers):
        if headers.get("authorization", "Bearer " + KEY) != "Bearer " + KEY:
            return self.send(conn, *self.refusal(401, "invalid_request_error", "Incorrect API key provided", "invalid_api_key"))
        if self.scenario == "models_odd":
            return self.send(conn, 200, {"content-type": "application/json"}, b'{"data":[{"id":7},{"name":"x"},"y",{"id":"ok"}]}')
        if self.scenario == "models_bad":
            return self.send(conn, 200, {"content-type": "application/json"}, b'{"models":')
        body = {"object": "list", "data": [{"id": "qwen3:8b", "object": "model", "created": 1, "owned_by": "library"},
                                           {"id": "local.gguf", "object": "model", "meta": {"n_ctx_train": 32768}},
                                           {"id": "vllm/model", "object": "model", "max_model_len": 8192}]}
        self.send(conn, 200, {"content-type": "application/json"}, json.dumps(body).encode())

    # -- the rules of the API; a server on this machine asks for no key, but a wrong one is wrong

    def check(self, headers, body):
        if headers.get("authorization", "Bearer " + KEY) != "Bearer " + KEY:
            return self.refusal(401, "invalid_request_error", "Incorrect API key provided", "invalid_api_key")
        problem = self.check_body(body)
        return self.refusal(400, "invalid_request_error", problem) if problem else None

    def check_body(self, body):
        if [(t["type"], t["function"]["name"]) for t in body["tools"]] != [("function", n) for n in ("execute_code", "update_plan", "finish")]:
            return "tools: only the three functions"
        if not body.get("stream") or any(k in body for k in ("temperature", "top_p", "functions", "n")):
            return "stream, sampling"
        open_calls, before = [], None
        for i, m in enumerate(body["messages"]):
            if (m["role"] == "system") != (i == 0):
                return "the system message is the first"
            if m["role"] == "tool":
                if m["tool_call_id"] != (open_calls or [None])[0]:
                    return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
                open_calls.pop(0)
                if not isinstance(m["content"], str):
                    return "content of a result"
                before = "tool"
                continue
            if open_calls:
                return "an assistant message with 'tool_calls' must be followed by tool messages responding to each: %s" % open_calls
            if m["role"] == before:
                return "roles must alternate"
            before = m["role"]
            if m["role"] == "assistant":
                calls = m.get("tool_calls", [])
                open_calls = [c["id"] for c in calls]
                if len(set(open_calls)) != len(calls) or not all(open_calls) or not (m["content"] or calls):
                    return "tool_calls: ids"
                for c in calls:
                    if not isinstance(json.loads(c["function"]["arguments"]), dict):
                        return "arguments"
        if open_calls:
            return "an assistant message with 'tool_calls' must be followed by tool messages"
        return None

    # -- servers that behave, each in its own manner

    def first(self, conn, turn, calls, finish="tool_calls", before=BEFORE, after=None):
        self.proposal_then_finish(conn, turn, before + calls + (chunk({}, finish) + usage() + DONE if after is None else after))

    def do_pings(self, conn, turn):
        self.proposal_then_finish(conn, turn, PROPOSAL.replace(b"\n\n", b"\n\n: keep-alive\n\n") + b": bye\n\n")

    def do_unknown(self, conn, turn):
        new = data({"object": "brand.new", "x": 1}) + chunk({"mystery": {"code": "evil()"}, "audio": None}, timings={"n": 1}) + \
            data({"choices": [{"index": 1, "delta": {"tool_calls": [{"index": 0, "id": "x", "function": function("execute_code", EVIL)}]}}]})
        self.first(conn, turn, new + execute(0, "call_1", CODE))

    def do_whole_arguments(self, conn, turn):
        """Ollama: every call whole, in one chunk, with the reason in it or behind it."""
        self.first(conn, turn, chunk({"role": "assistant", "content": "", "tool_calls": [{"index": 0, **whole_call("call_1", arguments(CODE))}]}))

    def do_with_reason(self, conn, turn):
        calls = [{"index": 0, **whole_call("call_1", arguments(CODE))}]
        self.first(conn, turn, chunk({"tool_calls": calls}, "tool_calls"), after=DONE)

    def do_no_usage(self, conn, turn):
        self.first(conn, turn, execute(0, "call_1", CODE), after=chunk({}, "tool_calls") + DONE)

    def do_usage_each(self, conn, turn):
        one = PROPOSAL.replace(b'"created": 1', b'"created": 1, "usage": {"prompt_tokens": 1000, "completion_tokens": 3}')
        self.proposal_then_finish(conn, turn, one)

    def do_reasoning(self, conn, turn):
        self.first(conn, turn, execute(0, "call_1", CODE), before=start() + thoughts(THOUGHT, "reasoning") + text(PROSE))

    def do_reasoning_twice(self, conn, turn):
        before = start() + chunk({"reasoning": THOUGHT, "reasoning_content": THOUGHT}) + text(PROSE)
        self.first(conn, turn, execute(0, "call_1", CODE), before=before)

    def do_parts(self, conn, turn):
        before = start() + chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}]}) + \
            chunk({"content": [{"type": "text", "text": PROSE}]})
        self.first(conn, turn, execute(0, "call_1", CODE), before=before)

    def do_no_done(self, conn, turn):
        self.first(conn, turn, execute(0, "call_1", CODE), after=chunk({}, "tool_calls"))

    def do_no_blank_line(self, conn, turn):
        self.proposal_then_finish(conn, turn, PROPOSAL[:-1])

    def do_stop(self, conn, turn):
        """`stop` with calls: what servers say that know no other word."""
        self.first(conn, turn, execute(0, "call_1", CODE), finish="stop")

    def do_reason_twice(self, conn, turn):
        self.first(conn, turn, execute(0, "call_1", CODE), after=chunk({}, "stop") + chunk({"content": ""}, "stop") + DONE)

    def do_no_ids(self, conn, turn):
        self.proposal_then_finish(conn, turn, PROPOSAL.replace(b'"id": "call_1", ', b""))

    def do_null_ids(self, conn, turn):
        self.proposal_then_finish(conn, turn, PROPOSAL.replace(b'"id": "call_1"', b'"id": null'))

    def do_ids_change(self, conn, turn):
        whole, parts = json.dumps(arguments(CODE)), b""
        for k in range(0, len(whole), 9):
            parts += fragment(0, id="call_%d" % k, function={"name": "execute_code" if k == 0 else None, "arguments": whole[k:k + 9]})
        self.first(conn, turn, parts)

    def do_name_each(self, conn, turn):
        whole, parts = json.dumps(arguments(CODE)), b""
        for k in range(0, len(whole), 9):
            parts += fragment(0, id="call_1", type="function", function=function("execute_code", whole[k:k + 9]))
        self.first(conn, turn, parts + fragment(0, id="call_1", function=function("execute_code", "")))

    def do_name_in_pieces(self, conn, turn):
        whole = json.dumps(arguments(CODE))
        self.first(conn, turn, fragment(0, id="call_1", function=function("exec", "")) + fragment(0, function={"name": "ute_code"}) +
                   fragment(0, function={"arguments": whole}))

    def do_no_index(self, conn, turn):
        self.proposal_then_finish(conn, turn, PROPOSAL.replace(b'"tool_calls": [{"index": 0, ', b'"tool_calls": [{'))

    def do_object_arguments(self, conn, turn):
        self.first(conn, turn, fragment(0, id="call_1", function=function("execute_code", arguments(CODE))))

    def do_message_chunk(self, conn, turn):
        self.proposal_then_finish(conn, turn, data(message()) + DONE)

    def do_in_one(self, conn, turn):
        whole = message() if turn == 0 else message(calls=[whole_call("call_f", {"answer": "It is 42.", "evidence": ["run 2 printed 42"]}, "finish")])
        if turn > 0:
            whole["choices"][0]["message"].update(content=None, reasoning_content=None)
        self.send(conn, 200, {"content-type": "application/json; charset=utf-8"}, json.dumps(whole).encode())

    def do_no_type(self, conn, turn):
        self.send(conn, 200, {}, PROPOSAL if turn == 0 else FINISH)

    def do_until_close(self, conn, turn):
        """No length and no chunks: the connection ends, and that is all."""
        self.send(conn, *sse((PROPOSAL if turn == 0 else FINISH)[:-len(DONE)]), length=-1)

    def do_parallel(self, conn, turn):
        self.first(conn, turn, execute(0, "call_1", "print(1)\n") + execute(1, "call_2", "print(2)\n"))

    def do_mixed(self, conn, turn):
        """Two calls whose fragments take turns."""
        one, two = json.dumps(arguments("print(1)\n")), json.dumps(arguments("print(2)\n"))
        parts = fragment(0, id="call_1", function=function("execute_code", "")) + fragment(1, id="call_2", function=function("execute_code", ""))
        for k in range(0, max(len(one), len(two)), 6):
            parts += fragment(1, function={"arguments": two[k:k + 6]}) + fragment(0, function={"arguments": one[k:k + 6]})
        self.first(conn, turn, parts)

    def do_index_0(self, conn, turn):
        """Two calls, both with index 0, each whole."""
        both = [{"index": 0, **whole_call("call_%d" % n, arguments("print(%d)\n" % n))} for n in (1, 2)]
        self.first(conn, turn, chunk({"tool_calls": [both[0]]}) + chunk({"tool_calls": [both[1]]}))

    def do_one_id(self, conn, turn):
        """Two calls with one id, as some gateways make them."""
        self.first(conn, turn, execute(0, "call_1", "print(1)\n") + execute(1, "call_1", "print(2)\n"))

    def do_no_id_no_index(self, conn, turn):
        both = [{"type": "function", "function": function("execute_code", json.dumps(arguments("print(%d)\n" % n)))} for n in (1, 2)]
        self.first(conn, turn, chunk({"tool_calls": both}))

    # -- servers that refuse a part of the request

    def refuses(self, conn, turn, words, fits, status=400):
        if not fits:
            return self.send(conn, *self.refusal(status, "invalid_request_error", words))
        with self.lock:
            self.answered = getattr(self, "answered", -1) + 1
        self.proposal_then_finish(conn, self.answered, PROPOSAL)

    def answer(self, conn, headers, raw):
        self.body = json.loads(raw)
        super().answer(conn, headers, raw)

    def do_no_stream_options(self, conn, turn):
        self.refuses(conn, turn, "body -> stream_options: Extra inputs are not permitted", "stream_options" not in self.body, 422)

    def do_no_parallel_key(self, conn, turn):
        self.refuses(conn, turn, "Unsupported parameter: 'parallel_tool_calls'", "parallel_tool_calls" not in self.body)

    def do_new_limit(self, conn, turn):
        self.refuses(conn, turn, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'",
                     "max_tokens" not in self.body)

    def do_no_limit(self, conn, turn):
        self.refuses(conn, turn, "max_tokens and max_completion_tokens are too large",
                     "max_tokens" not in self.body and "max_completion_tokens" not in self.body)

    def do_no_effort(self, conn, turn):
        self.refuses(conn, turn, '"m" does not support thinking', "reasoning_effort" not in self.body)

    def do_no_thoughts(self, conn, turn):
        self.refuses(conn, turn, "The reasoning_content may not be in the input",
                     not any("reasoning_content" in m for m in self.body["messages"]))

    def do_refuses_all(self, conn, turn):
        """Echoes the request: everything is named, nothing helps."""
        self.send(conn, *self.refusal(400, "invalid_request_error", json.dumps(self.body)[:200] + " stream_options parallel_tool_calls "
                                      "reasoning_content reasoning_effort max_tokens max_completion_tokens"))

    # -- nothing of what follows may lead to a proposal

    def ends(self, conn, calls, finish="tool_calls", after=b""):
        self.stream(conn, BEFORE + calls + chunk({}, finish) + usage() + after + DONE)

    def do_no_stop_event(self, conn, turn):
        """[DONE], and no reason."""
        self.stream(conn, self.before_last() + DONE)

    def do_malformed(self, conn, turn):
        self.stream(conn, PROPOSAL.replace(b'"index": 0', b'"index": 0,,', 1))

    def do_endless_line(self, conn, turn):
        self.send(conn, *sse(start() + b"data: " + b"x" * (3 << 20)), length=-1)

    def do_endless_code(self, conn, turn):
        self.send(conn, *sse(start() + fragment(0, id="t", function=function("execute_code", ""))), length=-1)
        more = fragment(0, function={"arguments": "x" * 200000})
        for _ in range(100):
            conn.sendall(more)

    def do_endless_calls(self, conn, turn):
        self.ends(conn, b"".join(fragment(i, id="c%d" % i, function=function("execute_code", EVIL)) for i in range(300)))

    def do_error_event(self, conn, turn):
        kind = self.arg or "invalid_request_error"
        self.stream(conn, self.before_last() + data({"error": {"message": "Overloaded", "type": kind, "code": None}}) + DONE)

    def do_error_code(self, conn, turn):
        """OpenRouter: an error beside the choices."""
        self.stream(conn, self.before_last() + chunk({}, "error", error={"code": 502, "message": "Provider disconnected"}))

    def do_error_words(self, conn, turn):
        self.stream(conn, self.before_last() + data({"error": "model runner has unexpectedly stopped"}))

    def do_error_object(self, conn, turn):
        self.stream(conn, self.before_last() + data({"object": "error", "message": "engine died", "type": "InternalServerError", "code": 500}) + DONE)

    def do_error_field(self, conn, turn):
        """A line `error: …`, which is no event."""
        self.stream(conn, self.before_last() + b'error: {"code":500,"message":"slot gone"}\n\n')

    def do_max_tokens(self, conn, turn):
        raw = json.dumps(arguments(CODE))[:-20]
        self.stream(conn, BEFORE + call(0, "call_1", "execute_code", None, raw=raw) + end("length"))

    def do_length_whole(self, conn, turn):
        self.ends(conn, execute(0, "call_1", "evil()"), "length")

    def do_refusal(self, conn, turn):
        self.stream(conn, start() + chunk({"refusal": "I will not do that: cyber"}) + execute(0, "call_1", "evil()") + end("stop"))

    def do_reason(self, conn, turn):
        """A call, and a reason that is none we know."""
        self.ends(conn, execute(0, "call_1", "evil()"), self.arg)

    def do_context(self, conn, turn):
        self.send(conn, *self.refusal(400, "invalid_request_error", "maximum context length is 8192 tokens", "context_length_exceeded"))

    def do_context_llamacpp(self, conn, turn):
        self.send(conn, *self.refusal(400, "exceed_context_size_error", "the request exceeds the available context size"))

    def do_small(self, conn, turn):
        """Reads no more than ARG bytes; ten proposals, then the end."""
        if self.size > int(self.arg):
            return self.send(conn, *self.refusal(400, "invalid_request_error", "too many tokens", "context_length_exceeded"))
        self.proposals = getattr(self, "proposals", 0) + 1
        self.stream(conn, start() + execute(0, "call_s%d" % turn, "print(%d)\n" % turn) + end() if self.proposals <= 10 else FINISH)

    def do_empty(self, conn, turn):
        self.stream(conn, start() + end("stop"))

    def do_after_end(self, conn, turn):
        self.stream(conn, PROPOSAL + execute(1, "call_2", "evil()"))

    def do_after_reason(self, conn, turn):
        self.ends(conn, b"", after=execute(0, "call_1", "evil()"))

    def do_two_reasons(self, conn, turn):
        self.ends(conn, execute(0, "call_1", "evil()"), after=chunk({}, "length"))

    def do_no_call(self, conn, turn):
        """`tool_calls`, and there is none."""
        self.ends(conn, b"")

    def do_no_name(self, conn, turn):
        self.ends(conn, fragment(0, id="call_1", function={"arguments": EVIL}))

    def do_lost_fragment(self, conn, turn):
        self.ends(conn, fragment(3, function={"arguments": EVIL}))

    def do_bad_index(self, conn, turn):
        self.ends(conn, fragment("x", id="call_1", function=function("execute_code", EVIL)))

    def do_long_id(self, conn, turn):
        self.ends(conn, fragment(0, id="c" * 300, function=function("execute_code", EVIL)))

    def do_long_name(self, conn, turn):
        self.ends(conn, b"".join(fragment(0, id="call_1", function={"name": "n%d" % i * 20}) for i in range(10)))

    def do_calls_no_array(self, conn, turn):
        self.ends(conn, chunk({"tool_calls": {"index": 0, "id": "c", "function": function("execute_code", EVIL)}}))

    def do_choices_no_array(self, conn, turn):
        self.stream(conn, data({"choices": {"index": 0, "delta": {}, "finish_reason": "tool_calls"}}) + DONE)

    def do_array_arguments(self, conn, turn):
        self.ends(conn, fragment(0, id="call_1", function=function("execute_code", [arguments("evil()")])))

    def do_object_then_text(self, conn, turn):
        self.ends(conn, fragment(0, id="call_1", function=function("execute_code", arguments("evil()"))) +
                  fragment(0, function={"arguments": arguments("evil()")}))

    def do_half_in_one(self, conn, turn):
        body = json.dumps(message()).encode()
        self.send(conn, 200, {"content-type": "application/json"}, body[:-30])

    def do_cut_in_one(self, conn, turn):
        body = json.dumps(message()).encode()
        self.send(conn, 200, {"content-type": "application/json"}, body[:-1], length=len(body))

    def do_no_reason_in_one(self, conn, turn):
        self.send(conn, 200, {"content-type": "application/json"}, json.dumps(message(finish=None)).encode())

    def do_length_in_one(self, conn, turn):
        self.send(conn, 200, {"content-type": "application/json"}, json.dumps(message(finish="length")).encode())

    def do_vast_in_one(self, conn, turn):
        self.send(conn, 200, {"content-type": "application/json"}, b'{"choices":"' + b"x" * (18 << 20) + b'"}')

    def do_cut_before_done(self, conn, turn):
        """The reason is there, the connection breaks: not in good order."""
        self.send(conn, *sse(PROPOSAL[:-len(DONE)]), length=len(PROPOSAL))

    def do_bad_call(self, conn, turn):
        """Calls that can't be read: the model is told, nothing opens."""
        bad = ['{"language":"python","purpose":"x","code":"evil(', '[1]', '{"language":"python","purpose":"x"}',
               '{"language":"python","purpose":"x","code":7}', '{"language":"python","purpose":"x","code":""}',
               '{"language":"python","purpose":"x","code":"evil()","sudo":true}', EVIL + EVIL]
        if turn < len(bad):
            return self.ends(conn, call(0, "call_b%d" % turn, "execute_code", None, raw=bad[turn]))
        if turn == len(bad):
            return self.ends(conn, call(0, "call_x", "ba sh\n", {"command": "evil"}))
        self.stream(conn, FINISH)

    def do_plans_only(self, conn, turn):
        self.ends(conn, call(0, "call_p%d" % turn, "update_plan", steps()))
