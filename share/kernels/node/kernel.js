// kernel.js - the javascript interpreter of a session: runs what it is sent in one lasting global
// scope, exactly as it is written. Speaks NDJSON with the guest (providers/guest/proto.h).
//
// V8's own REPL mode does the work: top-level await, and let and const that may be declared again in a
// later run. Code is evaluated inside a script that SIGINT can stop.
'use strict';

const { Buffer } = require('node:buffer');
const fs = require('node:fs');
const inspector = require('node:inspector');
const module_ = require('node:module');
const net = require('node:net');
const { Writable } = require('node:stream');
const util = require('node:util');
const vm = require('node:vm');

const CODE = 5, INPUT = 6, ARGS = 7;
const LINE = 1 << 19, TEXT_MAX = 1 << 20;

const { parse, stringify } = JSON;
const realExit = process.reallyExit.bind(process);
const session = new inspector.Session();
session.connect();

let run = null; // { id, over, exit, interrupted, error } while code runs
let lastEnd = 0;

// ---- talking

const socket = new net.Socket({ fd: 3, readable: true, writable: true });
fs.closeSync(4);

const clean = (s) => s.replace(/\0/g, '\ufffd').toWellFormed();

function send(message) {
    socket.write(stringify(message, (k, v) => (typeof v === 'string' ? clean(v) : v)) + '\n');
}

function readAt(fd, length, at) {
    const bytes = Buffer.alloc(length);
    let have = 0;
    while (have < length) {
        const n = fs.readSync(fd, bytes, have, length - have, at + have);
        if (n === 0) break;
        have += n;
    }
    return bytes.subarray(0, have);
}

// ---- standard streams: plain synchronous writes, so nothing is left behind and no child inherits
// a non-blocking pipe

// A Writable without its state machine: a script that is stopped in the middle of a write must not
// leave it waiting for ever.
class Out extends Writable {
    constructor(fd) {
        super({ emitClose: false });
        this.fd = fd;
        this._isStdio = true;
    }
    write(chunk, encoding, callback) {
        if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
        try {
            for (let at = 0; at < bytes.length;) at += fs.writeSync(this.fd, bytes, at);
        } catch (e) {
            if (e.code !== 'EBADF' && e.code !== 'EPIPE') throw e;
        }
        if (callback) process.nextTick(callback);
        return true;
    }
    // As node's own: these streams can't be closed.
    destroy() {
        return this;
    }
    end(chunk, encoding) {
        if (chunk != null && typeof chunk !== 'function') this.write(chunk, encoding);
        return this;
    }
}

const stdout = new Out(1), stderr = new Out(2);
Object.defineProperty(process, 'stdout', { configurable: true, enumerable: true, get: () => stdout });
Object.defineProperty(process, 'stderr', { configurable: true, enumerable: true, get: () => stderr });

let stdin = null;
Object.defineProperty(process, 'stdin', {
    configurable: true, enumerable: true,
    get: () => (stdin ??= fs.createReadStream(null, { fd: 0, autoClose: false })),
});

// The lowest free descriptor is the one that opens: 0, once it is closed.
function giveInput(length) {
    stdin = null;
    try {
        fs.closeSync(0);
    } catch { /* the code closed it */ }
    const fd = fs.openSync(length > 0 ? '/proc/self/fd/' + INPUT : '/dev/null', 'r');
    if (fd !== 0) throw new Error('descriptor 0 is taken');
}

// ---- evaluating

const post = (method, params) => {
    let out = null;
    session.post(method, params, (error, result) => { out = { error, result }; });
    return out;
};

// The value behind a remote object, handed over by a name that exists only meanwhile.
function valueOf(remote) {
    if (remote.objectId === undefined) {
        if (remote.type === 'bigint') return BigInt(remote.unserializableValue.slice(0, -1));
        return remote.unserializableValue !== undefined ? Number(remote.unserializableValue) : remote.value;
    }
    const name = '__airlock' + Math.random().toString(36).slice(2);
    let value;
    Object.defineProperty(globalThis, name, { configurable: true, value: (v) => { value = v; } });
    post('Runtime.callFunctionOn', {
        functionDeclaration: 'function(v) { globalThis.' + name + '(v); }', objectId: remote.objectId,
        arguments: [{ objectId: remote.objectId }],
    });
    delete globalThis[name];
    return value;
}

function evaluate(code, name, then) {
    const params = { expression: code + '\n//# sourceURL=' + name, replMode: true, objectGroup: 'run' };
    session.post('Runtime.evaluate', params, then);
}

const guard = new vm.Script('__airlock_evaluate()', { filename: 'airlock' });

function start(request) {
    const bytes = readAt(CODE, request.code, 0), fields = readAt(ARGS, request.args, 0).toString().split('\0');
    const code = new util.TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (request.chdir) process.chdir(fields[0]);
    process.argv = [process.execPath, ...fields.slice(1, 1 + request.argc)];
    process.exitCode = undefined;
    giveInput(request.input);
    const me = run;
    const name = 'run-' + request.run + '.js';
    // The watchdog turns SIGINT into a stop of whatever runs inside this script.
    Object.defineProperty(globalThis, '__airlock_evaluate', {
        configurable: true,
        value: () => {
            delete globalThis.__airlock_evaluate;
            // Nothing of ours is done in here: the watchdog may stop it anywhere.
            evaluate(code, name, (error, reply) => {
                if (me.started) settled(me, name, error, reply);
                else me.reply = { error, reply };
            });
        },
    });
    try {
        guard.runInThisContext({ breakOnSigint: true });
    } catch (e) {
        if (e.code !== 'ERR_SCRIPT_EXECUTION_INTERRUPTED') throw e;
        me.interrupted = me.exit === undefined;
        return end(me);
    }
    me.started = true; // from here on its code runs from the event loop
    if (me.reply) settled(me, name, me.reply.error, me.reply.reply);
}

function settled(me, name, error, reply) {
    if (me.over) return;
    if (error) { // V8 lost its context: the state is gone, and the guest tells so
        stderr.write('the interpreter is broken: ' + error.message + '\n');
        realExit(70);
    }
    if (reply.exceptionDetails) {
        const thrown = reply.exceptionDetails.exception;
        return fail(me, thrown ? valueOf(thrown) : new Error(reply.exceptionDetails.text), reply.exceptionDetails, name);
    }
    const value = valueOf(reply.result);
    if (util.types.isPromise(value)) {
        value.then((v) => succeed(me, v), (e) => { if (!me.over) fail(me, e); });
    } else {
        succeed(me, value);
    }
}

function succeed(me, value) {
    if (me.over) return;
    if (value !== undefined) {
        Object.defineProperty(globalThis, '_', { configurable: true, writable: true, value });
        let text;
        try {
            text = util.inspect(value, { depth: 4, maxArrayLength: 200, maxStringLength: 100000, breakLength: 100 });
        } catch (e) {
            return fail(me, e);
        }
        sendResult('text/plain', Buffer.from(text.length > TEXT_MAX ? text.slice(0, TEXT_MAX) + '…' : text));
    }
    setImmediate(() => end(me)); // a rejection nobody handles belongs to this run
}

function sendResult(mime, data) {
    for (let at = 0, more = true; more;) {
        const piece = data.subarray(at, at + LINE);
        at += piece.length;
        more = at < data.length;
        send({ t: 'result', run: run.id, mime, main: true, more: +more, data: piece.toString('base64') });
    }
}

// ---- errors

const HINTS = [
    [/Identifier '.*' has already been declared/, 'a name declared by an earlier run can be declared again only by the same word (let or const)'],
    [/Cannot use import statement outside a module/, "use require('…')"],
    [/dynamic import callback/, "use require('…'), or importModule('…') for an ES module"],
];

function stackOf(error) {
    if (!util.types.isNativeError(error)) {
        return 'Uncaught ' + util.inspect(error, { depth: 2, customInspect: false });
    }
    const lines = String(error.stack).split('\n');
    const foreign = (l) => /^\s+at .*(node:|airlock:|\/kernel\.js:|\(<anonymous>\)$)/.test(l) || /^\s+at airlock/.test(l);
    const first = lines.findIndex(foreign);
    const own = first < 0 ? lines : lines.slice(0, first).concat(lines.slice(first).filter((l) => /run-\d+\.js/.test(l)));
    return own.join('\n');
}

function describe(error, details, name) {
    let text, label = 'Error', message = '';
    try {
        text = stackOf(error);
        if (util.types.isNativeError(error)) {
            label = String(error.name);
            message = String(error.message);
        } else {
            label = 'Uncaught';
            message = util.inspect(error, { depth: 1, customInspect: false });
        }
    } catch (e) {
        text = 'Uncaught (an error that could not be shown)';
    }
    if (details && label === 'SyntaxError' && !/run-\d+\.js/.test(text)) {
        text += '\n    at ' + name + ':' + (details.lineNumber + 1) + ':' + (details.columnNumber + 1);
    }
    const hint = HINTS.find(([pattern]) => pattern.test(message));
    if (hint) text += '\nhint: ' + hint[1];
    return { name: label.slice(0, 400), value: message.slice(0, 20000), traceback: text.slice(0, 100000) };
}

function limitOf(error) {
    const code = error && error.code;
    return code === 'ENOSPC' || code === 'EDQUOT' ? 'disk' : code === 'EFBIG' ? 'file size' : code === 'EAGAIN' &&
        /spawn|fork/.test(String(error.syscall)) ? 'pids' : '';
}

function fail(me, error, details, name) {
    if (me.over) return;
    if (me.exit === undefined) {
        me.error = describe(error, details, name);
        me.limit = limitOf(error);
        stderr.write(me.error.traceback + '\n');
    }
    setImmediate(() => end(me));
}

// ---- the end of a run

function end(me) {
    if (me.over) return;
    me.over = true;
    run = null;
    lastEnd = me.id;
    const done = { t: 'done', run: me.id, code: 0 };
    const asked = process.exitCode;
    if (me.exit !== undefined) done.code = me.exit;
    else if (me.error || me.interrupted) done.code = 1;
    else if (Number.isInteger(asked)) done.code = asked & 255;
    if (me.interrupted) {
        done.interrupted = 1;
        done.error = { name: 'Interrupted', value: 'stopped by SIGINT', traceback: '' };
    }
    if (me.error) done.error = me.error;
    if (me.limit) done.limit = me.limit;
    process.exitCode = undefined;
    post('Runtime.releaseObjectGroup', { objectGroup: 'run' });
    send(done);
    setImmediate(() => {
        // A script that was stopped at a bad moment leaves a context V8 can't use: better none at all.
        if ((me.interrupted || me.exit !== undefined) && post('Runtime.evaluate', { expression: '0' }).error) realExit(70);
        report(me.id);
    });
}

function report(id) {
    let message = { t: 'vars', run: id, unknown: 1, more: 0 };
    try {
        message = { t: 'vars', run: id, more: 0, ...require('./vars.js').report(names(), valueByName) };
    } catch { /* unknown, then */ }
    send(message);
}

// exit() ends the run, not the interpreter: its state is still wanted.
process.exit = process.reallyExit = (code) => {
    if (run === null) realExit(code ?? process.exitCode ?? 0);
    run.exit = (code ?? process.exitCode ?? 0) & 255;
    const me = run;
    if (!me.started) {
        // The guest sends SIGINT: process.kill() to oneself would run node's exit hooks first.
        fs.writeSync(3, stringify({ t: 'stop', run: run.id }) + '\n');
        for (;;) { /* until the watchdog stops this script */ }
    }
    end(me);
    throw new Exit();
};

class Exit extends Error {}

process.on('uncaughtException', (error) => {
    if (error instanceof Exit) return;
    if (run !== null) fail(run, error);
    else stderr.write(describe(error).traceback + '\n');
});
process.on('unhandledRejection', (error) => {
    if (error instanceof Exit) return;
    if (run !== null) fail(run, error);
    else stderr.write(describe(error).traceback + '\n');
});
// While the event loop turns the guest asks by a message. A signal comes only to a script that does
// not let it turn, so that it does not meet one that is just ending: node would lose it then.
function interrupt() {
    if (run === null) return;
    run.interrupted = true;
    end(run);
}
process.on('SIGINT', interrupt);

// ---- variables and names

const builtin = new Set(Object.getOwnPropertyNames(globalThis));

function names() {
    const reply = post('Runtime.globalLexicalScopeNames', {});
    const lexical = reply && reply.result ? reply.result.names : [];
    const global = Object.getOwnPropertyNames(globalThis).filter((n) => !builtin.has(n) && n !== '_');
    return [...new Set([...lexical, ...global])];
}

// name → { value } without running a getter; null when it is not readable
function valueByName(name) {
    const own = Object.getOwnPropertyDescriptor(globalThis, name);
    if (own) return 'value' in own ? { value: own.value } : null;
    if (!/^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u.test(name)) return null;
    const reply = post('Runtime.evaluate', { expression: name, silent: true, objectGroup: 'vars' });
    if (!reply || !reply.result || reply.result.exceptionDetails) return null;
    const value = valueOf(reply.result.result);
    return { value };
}

function complete(request) {
    let found = [];
    try {
        const text = Buffer.from(request.text, 'hex').subarray(0, request.cursor).toString();
        found = require('./vars.js').complete(text, [...names(), ...builtin], valueByName);
    } catch { /* none */ }
    send({ t: 'completion', token: request.token, names: found });
}

// ---- the loop

function prepare() {
    const require_ = module_.createRequire(process.cwd() + '/');
    Object.defineProperty(globalThis, 'require', { configurable: true, writable: true, value: require_ });
    Object.defineProperty(globalThis, 'importModule', { configurable: true, writable: true, value: (name) => import(
        name.startsWith('.') || name.startsWith('/') ? require('node:url').pathToFileURL(require_('node:path').resolve(name)).href : name) });
    for (const name of module_.builtinModules) {
        if (name.startsWith('_') || name.includes('/') || name in globalThis) continue;
        Object.defineProperty(globalThis, name, {
            configurable: true,
            get: () => {
                const value = require(name);
                Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
                return value;
            },
            set: (value) => {
                builtin.delete(name);
                Object.defineProperty(globalThis, name, { configurable: true, writable: true, enumerable: true, value });
            },
        });
    }
    for (const name of Object.getOwnPropertyNames(globalThis)) builtin.add(name);
}

function handle(request) {
    if (request.t === 'exec') {
        run = { id: request.run, over: false };
        const me = run;
        try {
            start(request);
        } catch (e) {
            if (!me.over) fail(me, e);
        }
    } else if (request.t === 'interrupt') {
        interrupt();
    } else if (request.t === 'complete') {
        complete(request);
    }
}

let pending = Buffer.alloc(0);
socket.on('data', (data) => {
    pending = pending.length > 0 ? Buffer.concat([pending, data]) : data;
    for (let end_; (end_ = pending.indexOf(10)) >= 0;) {
        const line = pending.subarray(0, end_);
        pending = pending.subarray(end_ + 1);
        handle(parse(line));
    }
});
socket.on('end', () => realExit(0));
socket.on('error', () => realExit(0));

try {
    fs.writeFileSync('/proc/self/oom_score_adj', '300');
} catch { /* not ours to set */ }
prepare();
send({ t: 'ready', pid: process.pid });
