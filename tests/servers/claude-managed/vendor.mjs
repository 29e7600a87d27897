// vendor.mjs DIR - the vendor's own client, unchanged, against the test server: an agent, a session, a call that waits, its result.
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/index.js");
const { Anthropic, toFile } = require("@anthropic-ai/sdk");
const client = new Anthropic({ apiKey: process.env.ANTHROPIC_API_KEY, baseURL: process.env.ANTHROPIC_BASE_URL });
const beta = client.beta;

const agent = await beta.agents.create({
    name: "x", model: "claude-haiku-5-5",
    tools: [{ type: "agent_toolset_20260401", default_config: { enabled: false },
              configs: [{ name: "bash", enabled: true, permission_policy: { type: "always_ask" } }] }],
});
const environment = await beta.environments.create({
    name: "x", config: { type: "cloud", networking: { type: "limited", allowed_hosts: [], allow_package_managers: false, allow_mcp_servers: false } },
});
const file = await client.files.upload({ file: await toFile(Buffer.from("mounted"), "a.txt") });
const session = await beta.sessions.create({
    agent: { type: "agent", id: agent.id, version: agent.version }, environment_id: environment.id, metadata: { airlock: "x-1" },
    resources: [{ type: "file", file_id: file.id, mount_path: "/a.txt" }],
});
const out = { types: [] };
const stream = await beta.sessions.events.stream(session.id);
await beta.sessions.events.send(session.id, { events: [{ type: "user.message", content: [
    { type: "text", text: "run" }, { type: "text", text: "echo $((6*7)); test -f /mnt/session/uploads/a.txt || echo no" }] }] });
for await (const ev of stream) {
    out.types.push(ev.type);
    if (ev.type === "agent.tool_use")
        out.asked = ev.evaluated_permission;
    if (ev.type === "agent.tool_result")
        out.result = ev.content[0].text;
    if (ev.type === "session.status_idle" && ev.stop_reason.type === "requires_action")
        await beta.sessions.events.send(session.id, { events: ev.stop_reason.event_ids.map(
            (id) => ({ type: "user.tool_confirmation", tool_use_id: id, result: "allow" })) });
    else if (ev.type === "session.status_idle") {
        out.stop = ev.stop_reason.type;
        break;
    }
}
out.mounted = !out.result.includes("no");
out.history = [];
for await (const ev of beta.sessions.events.list(session.id))
    out.history.push(ev.type);
out.found = false;
for await (const s of beta.sessions.list({ agent_id: agent.id }))
    out.found ||= s.metadata.airlock === "x-1";
await beta.sessions.delete(session.id);
await beta.environments.delete(environment.id);
await beta.agents.archive(agent.id);
await client.files.delete(file.id);
console.log(JSON.stringify(out));
process.exit(0);
