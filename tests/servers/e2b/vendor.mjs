// vendor.mjs - the vendor's own packages, unchanged, against the test server: is it faithful? Run by tests/tui/test_e2b_vendor.py.
import { createRequire } from 'node:module';

const load = createRequire(process.argv[2] + '/');
const { Sandbox } = load('@e2b/code-interpreter');
const out = {};
const sandbox = await Sandbox.create({ timeoutMs: 60000, metadata: { who: 'vendor test' } });
try {
    out.id = sandbox.sandboxId;
    const first = await sandbox.runCode("print('hello')\nx = 20\nx + 1");
    out.stdout = first.logs.stdout.join('');
    out.text = first.text;
    out.state = (await sandbox.runCode('x * 2')).text;
    out.error = (await sandbox.runCode('1/0')).error.name;
    out.rich = (await sandbox.runCode("class H:\n    def _repr_html_(self): return '<b>1</b>'\nH()")).results[0].html;
    await sandbox.files.write('/home/user/a/b.txt', 'text');
    out.file = await sandbox.files.read('/home/user/a/b.txt');
    out.listed = (await sandbox.files.list('/home/user/a')).map((e) => e.name);
    const done = await sandbox.commands.run('echo out; echo err >&2');
    out.command = [done.stdout, done.stderr, done.exitCode];
    try {
        await sandbox.commands.run('exit 3');
    } catch (e) {
        out.exit = e.exitCode;
    }
    await sandbox.setTimeout(30000);
    const pages = Sandbox.list({ query: { metadata: { who: 'vendor test' } } });
    out.found = (await pages.nextItems()).map((s) => s.sandboxId).includes(sandbox.sandboxId);
    out.context = (await (async () => {
        const context = await sandbox.createCodeContext({ language: 'python', cwd: '/tmp' });
        return sandbox.runCode('import os; os.getcwd()', { context });
    })()).text;
    const info = await sandbox.getInfo();
    out.info = [info.state, info.cpuCount, info.memoryMB];
    out.metrics = (await sandbox.getMetrics()).length;
    await sandbox.updateNetwork?.({ denyOut: ['0.0.0.0/0'] });
    const before = sandbox.sandboxId;
    out.paused = await sandbox.pause();
    out.pausedAgain = await sandbox.pause();
    out.pausedState = (await Sandbox.getInfo(before)).state;
    const again = await Sandbox.connect(before, { timeoutMs: 60000 });
    out.kept = (await again.runCode('x * 3')).text;
    const snapshot = await again.createSnapshot({ name: 'airlock-vendor-test' });
    await again.runCode('x = 0');
    const other = await Sandbox.create(snapshot.snapshotId, { timeoutMs: 60000 });
    out.snapshot = (await other.runCode('x')).text;
    const listed = await Sandbox.listSnapshots({ sandboxId: before }).nextItems();
    out.snapshots = listed.map((s) => s.snapshotId === snapshot.snapshotId);
    out.otherKilled = await other.kill();
    out.deleted = await Sandbox.deleteSnapshot(snapshot.snapshotId);
    out.deletedAgain = await Sandbox.deleteSnapshot(snapshot.snapshotId);
    const forks = await again.fork?.({ count: 2, timeoutMs: 60000 });
    out.forks = forks?.length;
    for (const f of forks ?? []) await (f.sandbox ?? f).kill();
} finally {
    out.killed = await sandbox.kill();
}
console.log(JSON.stringify(out));
