// Watch the session again: everything shown is copied out of the page as nodes or text, never as markup.
// A row is [seq, ms, kind, run, a, b]; the kinds are those of export_html.c.
(() => {
  'use strict';
  const WORDS = 1, PLAN = 2, PROPOSED = 3, REVIEWED = 4, GATE = 5, DECIDED = 6, STARTED = 7, OUTPUT = 8, FINISHED = 9, VERDICT = 10;
  const CAP_MS = 2000, LINES = 400;
  const id = (x) => document.getElementById(x);
  const rows = [];
  for (const s of document.querySelectorAll('script.rows'))
    for (const row of JSON.parse(s.textContent)) rows.push(row);
  if (rows.length === 0) return;

  // When each row comes, with long pauses cut; the latest words and plan at each row.
  const when = [0], words = [], plan = [];
  rows.forEach((row, i) => {
    if (i > 0) when[i] = when[i - 1] + Math.min(Math.max(row[1] - rows[i - 1][1], 0), CAP_MS);
    words[i] = row[2] === WORDS ? i : i > 0 ? words[i - 1] : -1;
    plan[i] = row[2] === PLAN ? i : i > 0 ? plan[i - 1] : -1;
  });
  const last = rows.length - 1;
  let now = 0, speed = 1, playing = false, clock = 0, before = 0, open = false;

  const copy = (to, from) => {
    const nodes = from ? [...from.cloneNode(true).childNodes] : [];
    for (const n of nodes) {
      if (n.nodeType !== 1) continue;
      n.removeAttribute('id');
      for (const m of n.querySelectorAll('[id]')) m.removeAttribute('id');
    }
    to.replaceChildren(...nodes);
  };

  // Lines of an output that is in the page, as often as they are needed.
  let cached = {};
  const linesOf = (key) => {
    if (!cached[key]) {
      if (Object.keys(cached).length > 4) cached = {};
      const pre = id(key), text = pre ? pre.textContent : '';
      const all = text.split('\n');
      if (all[all.length - 1] === '') all.pop();
      const gap = pre && pre.querySelector('[data-head]');
      cached[key] = { all, head: gap ? +gap.dataset.head : all.length, total: pre ? +pre.dataset.lines : 0 };
    }
    return cached[key];
  };
  const showOutput = (pane, run, stream, count) => {
    const o = linesOf('o' + run + '-' + stream), tail = o.all.length - o.head;
    let n = count === Infinity ? o.all.length : Math.min(count, o.head);
    if (count !== Infinity && tail > 0 && count > o.head) n = Math.max(o.head + 1, o.all.length - Math.max(o.total - count, 0));
    const text = o.all.slice(Math.max(0, n - LINES), n).join('\n');
    if (pane.textContent !== text) pane.textContent = text;
    pane.parentNode.scrollTop = pane.parentNode.scrollHeight;
  };

  // What is known of the run at hand: back to where it was proposed.
  const look = (i) => {
    const s = { run: 0, lines: [0, 0, 0], parts: [], code: null, end: 0 };
    for (let k = i; k >= 0; k--) {
      const [seq, , kind, run, a, b] = rows[k];
      if (kind < PROPOSED || kind > VERDICT || (s.run && run !== s.run) || !run) continue;
      s.run = run;
      if (kind === OUTPUT) s.lines[a] = Math.max(s.lines[a], b);
      if (kind === FINISHED) s.end = seq;
      if (kind === REVIEWED || kind === DECIDED || kind === VERDICT || (kind === GATE && k === i)) s.parts.unshift(seq);
      if (kind === PROPOSED) { s.code = seq; break; }
    }
    return s;
  };

  const show = (i) => {
    now = Math.max(0, Math.min(i, last));
    const s = look(now);
    copy(id('p-plan'), plan[now] >= 0 ? id('e' + rows[plan[now]][0]) : null);
    copy(id('p-words'), words[now] >= 0 ? id('e' + rows[words[now]][0]) : null);
    copy(id('p-code'), s.code ? id('e' + s.code) : null);
    const gate = document.createElement('div');
    for (const seq of s.parts) {
      const part = id('e' + seq);
      if (part) gate.append(...part.cloneNode(true).childNodes);
    }
    copy(id('p-gate'), gate);
    showOutput(id('p-out'), s.run, 1, s.end ? Infinity : s.lines[1]);
    showOutput(id('p-err'), s.run, 2, s.end ? Infinity : s.lines[2]);
    const pictures = s.end ? [...id('e' + s.end).querySelectorAll('img')] : [];
    id('p-pictures').replaceChildren(...pictures.map((n) => n.cloneNode()));
    id('seek').value = now;
    id('at').textContent = 'event ' + rows[now][0] + ' of ' + rows[last][0] + ' · ' + ((rows[now][1] - rows[0][1]) / 1000).toFixed(1) + ' s · ' +
      (s.run ? 'run ' + s.run + ' · ' : '') + speed + '×';
    id('toggle').textContent = playing ? 'Pause' : 'Play';
  };

  const tick = (t) => {
    if (!playing) return;
    clock += (t - before) * speed;
    before = t;
    let i = now;
    while (i < last && when[i + 1] <= clock) i++;
    if (i === last) playing = false;
    if (i !== now || !playing) show(i);
    if (playing) requestAnimationFrame(tick);
  };
  const play = (on) => {
    playing = on;
    if (on && now === last) now = 0;
    clock = when[now];
    show(now);
    if (on) requestAnimationFrame((t) => { before = t; tick(t); });
  };
  const go = (i) => { playing = false; show(i); };
  const jump = (kind, way) => {
    for (let k = now + way; k >= 0 && k <= last; k += way)
      if (rows[k][2] === kind) return go(k);
  };
  const faster = (by) => { speed = Math.min(64, Math.max(0.25, speed * by)); show(now); };
  const stage = (on) => {
    open = on;
    id('stage').hidden = !on;
    document.body.classList.toggle('playing', on);
    if (on) { show(now); id('toggle').focus(); } else { playing = false; id('play').focus(); }
  };

  const keys = {
    ' ': () => play(!playing), ArrowRight: () => go(now + 1), ArrowLeft: () => go(now - 1), '.': () => go(now + 1), ',': () => go(now - 1),
    n: () => jump(PROPOSED, 1), p: () => jump(PROPOSED, -1), g: () => jump(GATE, 1), '+': () => faster(2), '-': () => faster(0.5),
    Home: () => go(0), End: () => go(last), Escape: () => stage(false),
  };
  document.addEventListener('keydown', (ev) => {
    if (!open || ev.ctrlKey || ev.altKey || ev.metaKey || !Object.hasOwn(keys, ev.key)) return;
    ev.preventDefault();
    keys[ev.key]();
  });
  id('seek').max = last;
  id('seek').addEventListener('input', () => go(+id('seek').value));
  id('toggle').addEventListener('click', () => play(!playing));
  id('back').addEventListener('click', () => go(now - 1));
  id('forth').addEventListener('click', () => go(now + 1));
  id('close').addEventListener('click', () => stage(false));
  id('play').addEventListener('click', () => { stage(true); play(true); });
  id('play').hidden = false;
})();
