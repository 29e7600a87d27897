// vendor.mjs - the vendor's own npm client, unchanged, against the test server: is it faithful? Run by
// tests/tui/test_claude_messages_vendor.py: SDK_DIR=… node vendor.mjs KEY URL COMMAND ROUNDS [CELL…], prints what the client made of each
// answer: ROUNDS times of the command, then of each cell.
import { createRequire } from "node:module";

const load = createRequire(process.env.SDK_DIR + "/");
const { Anthropic } = load("@anthropic-ai/sdk");
const [key, url, command, rounds, ...cells] = process.argv.slice(2);
const client = new Anthropic({ apiKey: key, baseURL: url, maxRetries: 0 });
const shell = { type: "code_execution_20250825", result: "bash_code_execution_tool_result",
                text: "Call bash_code_execution once.\n<command>\n" + command + "\n</command>" };
const repl = (code) => ({ type: "code_execution_20260521", result: "code_execution_tool_result",
                          text: "Call code_execution once.\n<code>\n" + code + "\n</code>" });

async function ask(form, container) {
    const messages = [{ role: "user", content: form.text }];
    for (;;) {
        const stream = client.messages.stream({
            model: "claude-haiku-5-5", max_tokens: 4096, messages, container,
            tools: [{ type: form.type, name: "code_execution" }],
        });
        const m = await stream.finalMessage();
        if (m.stop_reason !== "pause_turn")
            return { stop: m.stop_reason, container: m.container?.id, tokens: m.usage.output_tokens > 1, turns: messages.length,
                     blocks: m.content.map((b) => b.type), input: m.content.find((b) => b.type === "server_tool_use")?.input,
                     caller: m.content.find((b) => b.type === "server_tool_use")?.caller?.type,
                     result: m.content.find((b) => b.type === form.result)?.content };
        messages.push({ role: "assistant", content: m.content });
        container = m.container.id;
    }
}

const out = [];
let container;
for (const form of [...Array(Number(rounds)).fill(shell), ...cells.map(repl)]) {
    try {
        const got = await ask(form, container);
        container = got.container;
        out.push(got);
    } catch (e) {
        out.push({ error: e.constructor.name, message: String(e.message).slice(0, 200) });
    }
}
const made = out.flatMap((o) => o.result?.content ?? []).map((f) => f.file_id);
const file = made[0] && {
    name: (await client.files.retrieveMetadata?.(made[0]) ?? await client.files.retrieve(made[0])).filename,
    text: await (await (client.files.download ?? client.files.content).call(client.files, made[0])).text(),
    deleted: (await client.files.delete(made[0])).type,
};
const models = [];
for await (const m of client.models.list())
    models.push(m.id);
console.log(JSON.stringify({ out, file, models, one: (await client.models.retrieve("claude-haiku-5-5")).capabilities.server_tools.code_execution.supported }));
