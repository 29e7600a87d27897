// kernel.js - stands in for a JavaScript kernel in the test sandbox: cells in one context. JSON lines on descriptor 3.
'use strict';
const fs = require('fs'), net = require('net'), util = require('util'), vm = require('vm');

const ctl = new net.Socket({ fd: 3 });
const say = (m) => ctl.write(JSON.stringify(m) + '\n');
const show = (args) => util.format(...args) + '\n';
const where = vm.createContext({
    console: { log: (...a) => fs.writeSync(1, show(a)), error: (...a) => fs.writeSync(2, show(a)) },
    require, process, Buffer, setTimeout, clearTimeout,
});
let count = 0, held = '';

async function run(code) {
    say({ count: ++count });
    try {
        const value = await vm.runInContext(code, where, { filename: `<cell ${count}>`, breakOnSigint: true });
        if (value !== undefined)
            say({ data: { 'text/plain': util.inspect(value) }, main: true });
    } catch (e) {
        say({ error: { name: e.name || 'Error', value: String(e.message), traceback: String(e.stack) } });
    }
    say({ done: 1 });
}

ctl.on('data', async (data) => {
    held += data;
    for (let at; (at = held.indexOf('\n')) >= 0;) {
        const line = held.slice(0, at);
        held = held.slice(at + 1);
        await run(JSON.parse(line).code);
    }
});
ctl.on('end', () => process.exit(0));
