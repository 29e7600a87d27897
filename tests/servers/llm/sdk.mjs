// sdk.mjs DIALECT KEY NAME=URL… - the vendor's own client, unchanged, against our servers, all at once: holds each scripted
// conversation and prints, as one JSON object by name, what it made of each answer. SDK_DIR/node_modules has the clients.
import { createRequire } from "node:module";

const require = createRequire(process.env.SDK_DIR + "/index.js");
const [dialect, key, ...servers] = process.argv.slice(2);
const string = { type: "string" };
const schemas = {
    execute_code: { type: "object", properties: { language: string, purpose: string, code: string }, required: ["code"] },
    update_plan: { type: "object", properties: { steps: { type: "array", items: { type: "object" } } }, required: ["steps"] },
    finish: { type: "object", properties: { answer: string }, required: ["answer"] },
};
const result = JSON.stringify({ end: "exit", exit_code: 0, untrusted: { stdout: "42\n" } });

async function messages(url, turns) {
    const { Anthropic } = require("@anthropic-ai/sdk");
    const client = new Anthropic({ apiKey: key, baseURL: url, maxRetries: 2 });
    const said = [{ role: "user", content: "Compute six times seven." }];
    for (;;) {
        const stream = client.messages.stream({
            model: "claude-opus-5-5", max_tokens: 32000, messages: said,
            tools: Object.entries(schemas).map(([name, input_schema]) => ({ name, description: name, input_schema })),
            tool_choice: { type: "auto", disable_parallel_tool_use: true },
        });
        let streamed = "";
        stream.on("inputJson", (part) => { streamed += part; });
        const m = await stream.finalMessage();
        const of = (type) => m.content.filter((b) => b.type === type);
        turns.push({ stop: m.stop_reason, text: of("text").map((b) => b.text).join(""), thought: of("thinking").map((b) => b.thinking).join(""),
                     streamed: streamed !== "" && JSON.stringify(JSON.parse(streamed)) === JSON.stringify(of("tool_use").at(-1).input),
                     calls: of("tool_use").map((b) => [b.id, b.name, b.input]), tokens: [m.usage.input_tokens, m.usage.output_tokens] });
        if (of("tool_use").length === 0 || of("tool_use")[0].name === "finish")
            break;
        said.push({ role: "assistant", content: m.content });
        said.push({ role: "user", content: of("tool_use").map((b) => ({ type: "tool_result", tool_use_id: b.id, content: result })) });
    }
    const models = [];
    for await (const m of client.models.list({ limit: 2 }))
        models.push(m.id);
    return models;
}

async function chat(url, turns) {
    const { OpenAI } = require("openai");
    const client = new OpenAI({ apiKey: key, baseURL: url + "/v1", maxRetries: 2 });
    const said = [{ role: "system", content: "Plan." }, { role: "user", content: "Compute six times seven." }];
    for (;;) {
        const stream = client.chat.completions.stream({
            model: "m", messages: said, stream_options: { include_usage: true }, parallel_tool_calls: false,
            tools: Object.entries(schemas).map(([name, parameters]) => ({ type: "function", function: { name, description: name, parameters } })),
        });
        let streamed = "";
        stream.on("chunk", (c) => { streamed += c.choices[0]?.delta?.tool_calls?.[0]?.function?.arguments ?? ""; });
        const whole = await stream.finalChatCompletion();
        const { message: m, finish_reason: stop } = whole.choices[0];
        const calls = m.tool_calls ?? [];
        turns.push({ stop, text: m.content ?? "", thought: m.reasoning_content ?? "",
                     streamed: streamed !== "" && streamed === calls.map((c) => c.function.arguments).join(""),
                     calls: calls.map((c) => [c.id, c.function.name, JSON.parse(c.function.arguments)]),
                     tokens: [whole.usage?.prompt_tokens, whole.usage?.completion_tokens] });
        if (calls.length === 0 || calls[0].function.name === "finish")
            break;
        said.push({ role: "assistant", content: m.content, tool_calls: calls.map(({ id, type, function: { name, arguments: a } }) => ({ id, type, function: { name, arguments: a } })) });
        for (const c of calls)
            said.push({ role: "tool", tool_call_id: c.id, content: result });
    }
    const models = [];
    for await (const m of client.models.list())
        models.push(m.id);
    return models;
}

async function hold(url) {
    const turns = [];
    try {
        const models = await (dialect === "anthropic" ? messages : chat)(url, turns);
        return { turns, models };
    } catch (e) {
        return { turns, error: e.constructor.name, status: e.status ?? null, message: String(e.message).slice(0, 200) };
    }
}

const held = servers.map(async (server) => {
    const at = server.indexOf("=");
    return [server.slice(0, at), await hold(server.slice(at + 1))];
});
console.log(JSON.stringify(Object.fromEntries(await Promise.all(held))));
