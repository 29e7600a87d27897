// vars.js - what javascript variables are, read by descriptors: no getter, proxy trap, toString or
// custom inspect of the code's is called.
'use strict';

const { types } = require('node:util');

const BUDGET_MS = 20, VARS_MAX = 1000, ITEMS = 20000, PREVIEW = 300;

class Late extends Error {}

const own = Object.getOwnPropertyDescriptor;
const toString = Object.prototype.toString;

function kindOf(v) {
    if (v === null) return 'null';
    const t = typeof v;
    if (t !== 'object') return t === 'function' && /^class\b/.test(Function.prototype.toString.call(v)) ? 'class' : t;
    if (types.isProxy(v)) return 'Proxy';
    if (Array.isArray(v)) return 'Array';
    for (const name of ['Map', 'Set', 'Date', 'RegExp', 'Promise', 'WeakMap', 'WeakSet', 'ArrayBuffer', 'NativeError']) {
        if (types['is' + name](v)) return name === 'NativeError' ? 'Error' : name;
    }
    if (types.isTypedArray(v)) return tag(v);
    const proto = Object.getPrototypeOf(v);
    if (proto === null || proto === Object.prototype) return 'Object';
    const made = own(proto, 'constructor');
    const name = made && typeof made.value === 'function' ? own(made.value, 'name') : null;
    return name && typeof name.value === 'string' ? name.value : 'Object';
}

const tag = (v) => Reflect.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get.call(v);
const size = { Map: own(Map.prototype, 'size').get, Set: own(Set.prototype, 'size').get };
const typedLength = own(Object.getPrototypeOf(Uint8Array.prototype), 'length').get;

function shapeOf(v, kind) {
    if (kind === 'string' || kind === 'Array') return String(v.length);
    if (kind === 'Map' || kind === 'Set') return String(size[kind].call(v));
    return v !== null && typeof v === 'object' && kind !== 'Proxy' && types.isTypedArray(v) ? String(typedLength.call(v)) : '';
}

function quoted(s) {
    return JSON.stringify(s.length > PREVIEW ? s.slice(0, PREVIEW) + '…' : s);
}

function preview(v, depth = 0) {
    const kind = kindOf(v);
    switch (kind) {
    case 'string': return quoted(v);
    case 'symbol': return 'Symbol()';
    case 'bigint': return String(v).slice(0, PREVIEW) + 'n';
    case 'number': return Object.is(v, -0) ? '-0' : String(v);
    case 'boolean': case 'undefined': case 'null': return String(v);
    case 'Date': return '<Date ' + Date.prototype.getTime.call(v) + '>';
    case 'function': case 'class': {
        const name = own(v, 'name');
        return '<' + kind + ' ' + (name && typeof name.value === 'string' ? name.value : '') + '>';
    }
    case 'Array': return depth > 2 ? '[…]' : '[' + list(indices(v).map((d) => d ? preview(d.value, depth + 1) : ''), v.length) + ']';
    case 'Object': return depth > 2 ? '{…}' : '{' + list(members(v, depth), Infinity) + '}';
    case 'Map': case 'Set': return '<' + kind + ' of ' + size[kind].call(v) + '>';
    default:
        if (v !== null && typeof v === 'object' && kind !== 'Proxy' && types.isTypedArray(v)) {
            return tag(v) + '[' + Array.prototype.slice.call(v, 0, 12).join(', ') + (typedLength.call(v) > 12 ? ', …' : '') + ']';
        }
        return '<' + kind + '>';
    }
}

const indices = (v) => Array.from({ length: Math.min(v.length, 40) }, (x, i) => own(v, i));

function members(v, depth) {
    return Object.keys(v).slice(0, 40).map((k) => {
        const d = own(v, k);
        return (/^[\w$]+$/.test(k) ? k : quoted(k)) + ': ' + (d && 'value' in d ? preview(d.value, depth + 1) : '<getter>');
    });
}

function list(parts, whole) {
    let text = '', n = 0;
    for (const p of parts) {
        if (text.length > PREVIEW) break;
        text += (n++ > 0 ? ', ' : '') + p;
    }
    return n < parts.length || n < Math.min(whole, 1e15) && whole !== Infinity ? text + ', …' : text;
}

// ---- digests: 53 bits, they tell change

class Hash {
    constructor(until) {
        this.a = 0xdeadbeef;
        this.b = 0x41c6ce57;
        this.items = 0;
        this.until = until;
        this.opaque = this.sampled = false;
        this.seen = new Set();
    }
    text(s) {
        const step = s.length > 1 << 20 ? (this.sampled = true, Math.floor(s.length / 65536)) : 1;
        for (let i = 0; i < s.length; i += step) {
            const c = s.charCodeAt(i);
            this.a = Math.imul(this.a ^ c, 2654435761);
            this.b = Math.imul(this.b ^ c, 1597334677);
        }
        this.a = Math.imul(this.a ^ s.length, 2246822507);
        this.spend(s.length >> 8);
    }
    spend(n = 1) {
        this.items += n + 1;
        if ((this.items & 63) === 0 || n > 64) {
            if (performance.now() > this.until) throw new Late();
        }
        if (this.items > ITEMS) this.sampled = true;
        return this.items <= ITEMS;
    }
    hex() {
        return (this.a >>> 0).toString(16).padStart(8, '0') + (this.b >>> 0).toString(16).padStart(8, '0') + (this.sampled ? '~' : '');
    }
}

function digest(h, v, depth = 0) {
    const kind = kindOf(v);
    h.text(kind);
    if (v === null || typeof v !== 'object' && typeof v !== 'function') return h.text(typeof v === 'symbol' ? '' : Object.is(v, -0) ? '-0' : String(v));
    if (typeof v === 'function') return h.text(Function.prototype.toString.call(v));
    if (h.seen.has(v) || depth > 12 || !h.spend()) return;
    h.seen.add(v);
    if (kind === 'Date') return h.text(String(Date.prototype.getTime.call(v)));
    if (kind === 'Proxy' || kind === 'Promise' || kind.startsWith('Weak')) { h.opaque = true; return; }
    if (types.isTypedArray(v)) return h.text(Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('latin1'));
    if (types.isMap(v)) Map.prototype.forEach.call(v, (x, k) => { if (h.spend()) { digest(h, k, depth + 1); digest(h, x, depth + 1); } });
    if (types.isSet(v)) Set.prototype.forEach.call(v, (x) => { if (h.spend()) digest(h, x, depth + 1); });
    for (const key of Reflect.ownKeys(v)) {
        const d = own(v, key);
        if (typeof key === 'string') h.text(key);
        if (d && 'value' in d) digest(h, d.value, depth + 1);
        if (!h.spend()) break;
    }
}

function utf8Cut(s) {
    while (Buffer.byteLength(s) > 380) s = s.slice(0, Math.floor(s.length * 0.8)) + '…';
    return s;
}

function report(names, valueByName) {
    const until = performance.now() + BUDGET_MS, vars = [];
    let late = false;
    for (const name of names.slice(0, VARS_MAX)) {
        const entry = { name: name.slice(0, 100), type: '', shape: '', bytes: -1, preview: '', digest: '', opaque: 1 };
        try {
            const found = late ? null : valueByName(name);
            if (found) {
                const h = new Hash(until), kind = kindOf(found.value);
                entry.type = kind.slice(0, 60);
                entry.shape = shapeOf(found.value, kind);
                entry.preview = utf8Cut(preview(found.value));
                digest(h, found.value);
                entry.digest = h.hex();
                entry.opaque = +h.opaque;
            }
        } catch (e) {
            late = late || e instanceof Late;
        }
        vars.push(entry);
    }
    return { vars, truncated: names.length > VARS_MAX };
}

// ---- completion

function keysOf(v) {
    const found = new Set();
    for (let o = Object(v), depth = 0; o !== null && depth < 6; o = Object.getPrototypeOf(o), depth++) {
        if (types.isProxy(o)) break;
        for (const k of Object.getOwnPropertyNames(o)) found.add(k);
    }
    return [...found];
}

function member(v, name) {
    for (let o = Object(v); o !== null; o = Object.getPrototypeOf(o)) {
        if (types.isProxy(o)) return null;
        const d = own(o, name);
        if (d) return 'value' in d ? { value: d.value } : null;
    }
    return null;
}

function complete(text, names, valueByName) {
    const [, path, word] = /(?:([\w$.]*)\.)?([\w$]*)$/.exec(text);
    const pick = (all) => [...new Set(all)].filter((n) => n.startsWith(word) && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(n)).sort().slice(0, 500);
    if (path === undefined) return pick(names);
    const parts = path.split('.');
    let at = valueByName(parts[0]);
    for (const part of parts.slice(1)) at = at && at.value != null ? member(at.value, part) : null;
    return at && at.value != null ? pick(keysOf(at.value)).map((n) => path + '.' + n) : [];
}

module.exports = { report, complete };
