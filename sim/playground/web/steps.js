// Clock by clock: the same image once more. A dense or convolutional layer shows one read on its way through the registers
// of a lane; a spiking layer shows its events.

const steps = {layer: 0, lane: 0, history: [], events: [], timer: 0, over: false, ready: false, begun: false};
// Clocks that are shown, and those before them that tell when a read has come so far.
const HISTORY = 9, NARROW = 5, BEFORE = 3;
// Clocks that are searched for the first read of a layer, and clocks that its first read takes to its decision.
const FIRST_READ = 50000, FIRST_CLOCKS = 3;
// Clocks from a sensed word line to the neuron that has added it.
const ADDED = 2;

function stopSteps() {
  clearInterval(steps.timer);
  steps.timer = 0;
  steps.ready = false;
  showPlaying();
}

function showPlaying() {
  $("play").textContent = steps.timer ? "⏸ Pause" : "▶ Play";
  $("play").setAttribute("aria-pressed", String(Boolean(steps.timer)));
  $("now").setAttribute("aria-live", steps.timer ? "off" : "polite");
}

function startSteps() {
  stopSteps();
  Object.assign(steps, {history: [], events: [], over: false, begun: false});
  engine.feed([state.frame], true);
  steps.ready = true;
  showSteps();
}

function tick() {
  steps.over = engine.code.advance(1) > 0;
  const now = data.kind === "spiking" ? sampleEvent() : sample();
  steps.history.push(now);
  if (steps.history.length > HISTORY + BEFORE) steps.history.shift();
  if (now.busy || now.sensed) steps.begun = true;
  if (data.kind === "spiking") addEvent(now);
}

// At clock 0, which takes the image.
function restart() {
  startSteps();
  tick();
  showSteps();
  showWeights();
}

// One clock further; in a spiking layer to its next event.
function step() {
  if (!steps.ready) startSteps();
  const before = steps.events.at(-1);
  do {
    if (!steps.over) tick();
  } while (data.kind === "spiking" && !steps.over && steps.events.at(-1) === before);
  if (steps.over) clearInterval(steps.timer);
  showSteps();
  showWeights();
}

function finish() {
  if (!steps.ready) startSteps();
  while (!steps.over) tick();
  showSteps();
  showWeights();
}

// So that there is something to see: on to the decision of the first read, or to the first event.
function showFirstClocks() {
  for (let k = 0; k < FIRST_READ && !steps.over && !steps.begun; k++) tick();
  if (data.kind !== "spiking") for (let k = 0; k < FIRST_CLOCKS && !steps.over; k++) tick();
  else while (!steps.over && !steps.events.length) tick();
  showSteps();
  showWeights();
}

function play() {
  const running = steps.timer;
  clearInterval(running);
  steps.timer = 0;
  if (!running) {
    if (steps.over) restart();
    steps.timer = setInterval(() => { step(); if (steps.over) play(); }, data.kind === "spiking" ? 300 : 150);
  }
  showPlaying();
}

const number = (signal) => signal && field(signal.words, 0, 0, Math.min(signal.bits, 32));
const clockNow = () => Math.max(0, engine.code.elapsed() - 1);

// The registers of the chosen lane, after the clock edge; clock 0 takes the image. What the neuron decided is of before.
function sample() {
  const k = steps.layer, v = steps.lane, layer = data.layers[k];
  const array = `layer${k} array`, tile = `${array} tile_v${v}_h0`;
  let inputs = null;
  for (let g = 0; g < layer.groups && !inputs; g++) inputs = engine.signal(`${array} tile_v${g}_h0 macro xr`);
  const coefficients = engine.signal(`${array} coefficient_rom q`);
  const width = coefficients ? coefficients.bits / layer.groups : 0;
  return {
    cycle: clockNow(), busy: number(engine.signal(`${array} busy`)), row: number(engine.signal(`${array} row`)),
    weights: engine.signal(`${tile} macro r`), inputs, p: number(engine.signal(`${tile} count`)),
    t: coefficients && layer.kind !== "scores" ? field(coefficients.words, 0, v * width, width) : null,
    fire: number(engine.signal(`layer${k} neuron${v}_fire`)),
  };
}

// The oldest read of the last four clocks, at its place in the history: it has come furthest. -1 if there is none.
function followed() {
  for (let i = Math.max(0, steps.history.length - 4); i < steps.history.length; i++) if (steps.history[i].busy) return i;
  return -1;
}

// The neuron whose read is shown; null if none is.
function readNeuron(k) {
  if (!steps.ready || k !== steps.layer || data.kind === "spiking") return null;
  const read = steps.history[followed()], layer = data.layers[k];
  return read ? Math.floor(read.row / layer.slices) * layer.groups + steps.lane : null;
}

// A spiking layer: the word line that was sensed in this clock, if one was, and the neuron.
function sampleEvent() {
  const k = steps.layer, layer = data.layers[k], across = Math.floor(steps.lane * layer.cells / layer.per_macro);
  let sensed = null;
  for (let d = 0; d < layer.down && !sensed; d++) {
    const tile = `layer${k} tile_d${d}_a${across}`;
    if (number(engine.signal(`${tile} sensed`))) sensed = engine.signal(`${tile} macro r`);
  }
  const v = engine.signal(`layer${k} neuron${steps.lane} v`);
  return {cycle: clockNow(), sensed, v: v ? field(v.words, 0, 0, v.bits, true) : 0, fire: number(engine.signal(`layer${k} neuron${steps.lane}_fire`))};
}

function addEvent(now) {
  const read = steps.history.at(-1 - ADDED), layer = data.layers[steps.layer];
  if (!read?.sensed) return;
  const first = steps.lane * layer.cells % layer.per_macro, half = layer.cells / 2;
  const on = (from) => Array.from({length: half}, (_, i) => read.sensed.words[from + i >>> 5] >>> (from + i & 31) & 1).reduce((a, b) => a + b);
  steps.events.push({cycle: read.cycle, words: read.sensed.words, plus: on(first), minus: on(first + half), before: steps.history.at(-ADDED).v, v: now.v, fire: now.fire});
  if (steps.events.length > HISTORY) steps.events.shift();
}

function bitsPicture(words, count, on, name, columns = 0) {
  let ones = 0;
  for (let i = 0; i < count; i++) ones += words[i >>> 5] >>> (i & 31) & 1;
  const canvas = element("canvas", {role: "img", "aria-label": `${name}: ${ones} of ${count} bits are 1`}), side = Math.sqrt(count);
  const w = columns || (Number.isInteger(side) ? side : 32), h = Math.ceil(count / w);
  const yes = rgb(on), no = rgb("off"), back = rgb("back");
  paint(canvas, w, h, (x, y) => y * w + x >= count ? back : words[y * w + x >>> 5] >>> (y * w + x & 31) & 1 ? yes : no);
  return canvas;
}

const blankPicture = () => element("canvas", {"aria-hidden": "true"});
const part = (title, content, note) => element("div", {}, element("h3", {}, title), content, element("small", {}, note));
const valueText = (text) => element("span", {class: "value"}, text);
const signed = (value) => value < 0 ? `−${-value}` : String(value);

function showSteps() {
  const now = steps.history.at(-1), cycles = state.answer.cycles.toLocaleString("en");
  $("clock").textContent = `clock ${now ? (steps.over ? state.answer.cycles : now.cycle).toLocaleString("en") : 0} of ${cycles}`;
  $("step").disabled = $("finish").disabled = steps.over;
  if (data.kind === "spiking") showEvent();
  else showRead();
  if (steps.over) {
    const best = state.answer.scores[state.answer.class], unit = data.kind === "spiking" ? `${signed(best)} spikes, counted with their signs` : `its score ${signed(best)} is the highest`;
    $("now").replaceChildren("All clocks are done. The answer: ", element("b", {}, className(state.answer.class)), `, as ${unit}.`);
  }
  showWave();
}

function showRead() {
  const layer = data.layers[steps.layer], k = followed(), [read, sensed, counted, decided] = [0, 1, 2, 3].map((i) => k < 0 ? undefined : steps.history[k + i]);
  const used = Math.min(layer.cols, layer.n_in), most = Math.max(1, used), scores = layer.kind === "scores", note = (s, text, yet) => s ? `clock ${s.cycle}: ${text}` : yet;
  const weights = sensed?.weights ? bitsPicture(sensed.weights.words, used, "on", "weights") : blankPicture();
  const inputs = sensed?.inputs ? bitsPicture(sensed.inputs.words, used, "purple", "inputs") : blankPicture();
  const agree = sensed?.weights && sensed.inputs ? sensed.weights.words.map((w, i) => ~(w ^ sensed.inputs.words[i])) : null;
  const xnor = agree ? bitsPicture(agree, used, "green", "XNOR") : blankPicture();
  const p = counted?.p ?? 0, t = counted?.t ?? null, several = layer.slices > 1 || t > most;
  const gauge = element("div", {class: "gauge"}, element("i", {style: `width:${100 * p / most}%`}));
  if (t !== null) gauge.append(element("u", {style: `left:${100 * Math.min(1, t / most)}%`}));
  const count = element("div", {}, valueText(counted ? `p = ${p}` : "p"), gauge, t !== null ? `T = ${t}` : scores ? "a score: no threshold" : "T");
  const fires = decided && t !== null && decided.fire;
  const lamp = element("div", {class: `lamp${fires ? " on" : ""}`}, scores ? "Σ" : decided && t !== null ? (fires ? "1" : "0") : "");
  const verdict = several ? `it adds up the counts of several reads: ${fires ? "T is reached" : "T is not reached, or not all are there"}` : fires ? "p ≥ T: it answers 1" : "p < T: it answers 0";
  $("read").replaceChildren(
    part("Word line", valueText(read ? String(read.row) : "–"), note(read, "selected", "none selected")),
    part("Its weights", weights, note(sensed, "sensed", "")),
    part("Inputs", inputs, "on the columns"),
    part("XNOR", xnor, sensed ? "green: weight and input agree" : ""),
    part("Popcount, threshold", count, note(counted, `${p} of ${used} agree`, "")),
    part("Neuron", lamp, scores ? "the highest score wins" : t === null ? "" : note(decided, verdict, "")),
  );
  const n = steps.layer, waits = n ? `Layer ${n} waits for layer ${n - 1}.` : "The image comes in.";
  const lanes = layer.groups > 1 ? ` Lane ${steps.lane} of ${layer.groups}: each reads another neuron at the same time.` : "";
  $("now").textContent = read ? `Neuron ${readNeuron(n)} of layer ${n}, on its way through the pipeline. The next word line follows a clock later.${lanes}`
    : steps.begun ? `Layer ${n} has read all its word lines.${n + 1 < data.layers.length ? ` Its bits are with layer ${n + 1} now.` : ""}` : waits;
}

function showEvent() {
  const layer = data.layers[steps.layer], event = steps.events.at(-1), count = Math.min(layer.columns, layer.per_macro), n = steps.lane;
  const columns = layer.cells * Math.max(1, Math.round(Math.sqrt(count) / layer.cells));
  const weight = event ? event.plus - event.minus : 0, gauge = element("div", {class: "gauge"});
  if (event) gauge.append(element("i", {style: `width:${Math.min(100, 100 * Math.abs(event.v) / layer.theta)}%`}));
  const from = steps.layer ? "hidden neuron" : "pixel";
  $("read").replaceChildren(
    part("Word line of the spike", event ? bitsPicture(event.words, count, "on", "cells", columns) : blankPicture(), `${layer.cells} cells for each neuron`),
    part(`Weight to neuron ${n}`, valueText(event ? signed(weight) : "–"), event ? `cells that are on: ${event.plus} in its positive bank, ${event.minus} in its negative bank` : ""),
    part("Membrane", element("div", {}, valueText(event ? signed(event.v) : "–"), gauge), event ? `it was ${signed(event.before)}; the threshold θ is ${layer.theta}` : ""),
    part("Spike", element("div", {class: `lamp${event?.fire ? " on" : ""}`}, event ? (event.fire ? "1" : "0") : ""), event ? (event.fire ? "θ was reached: it spikes, and θ is taken off" : "θ was not reached: it waits") : ""),
  );
  $("now").textContent = event ? `Clock ${event.cycle}: a ${from} spikes. Its word line is sensed, and every neuron adds its weight to its membrane.` : steps.layer ? `Layer ${steps.layer} waits for spikes.` : "The image comes in; its pixels will spike, bright ones more often.";
}

function showWave() {
  const shown = innerWidth < 640 ? NARROW : HISTORY, spiking = data.kind === "spiking", list = (spiking ? steps.events : steps.history).slice(-shown);
  const k = spiking ? -9 : followed() - steps.history.length + list.length;
  // What a register holds before the first read has come to it is of no read: it stays blank.
  const come = (i, clocks) => steps.history[steps.history.length - list.length + i - clocks]?.busy;
  const rows = spiking ? [["weight", (s) => signed(s.plus - s.minus)], ["membrane", (s) => signed(s.v)], ["spike", (s) => s.fire]] : [
    ["word line", (s) => s.busy ? s.row : "", k], ["popcount p", (s, i) => come(i, 2) ? s.p : "", k + 2], ["threshold T", (s, i) => come(i, 2) ? s.t : "", k + 2],
    ["neuron", (s, i) => s.t !== null && come(i, 3) ? s.fire : "", k + 3],
  ];
  const cell = (text, i, same) => element("td", {class: `${same ? "same" : ""}${i === list.length - 1 ? " now" : ""}`}, String(text ?? ""));
  const line = (name, cells) => element("tr", {}, element("th", {scope: "row"}, name), ...cells);
  $("wave").replaceChildren(line("clock", list.map((s, i) => cell(s.cycle, i))), ...rows.map(([name, value, at]) => line(name, list.map((s, i) => cell(value(s, i), i, followed() >= 0 && i === at)))));
}

function chooseLayers() {
  $("step-layer").replaceChildren(...data.layers.map((_, k) => element("option", {value: k}, k)));
  $("step-layer").parentElement.hidden = data.layers.length === 1;
  chooseLanes();
}

function chooseLanes() {
  const layer = data.layers[steps.layer], lanes = layer.groups ?? layer.n_out;
  $("lane-label").hidden = lanes === 1;
  steps.lane = Math.min(steps.lane, lanes - 1);
  $("lane").replaceChildren(...Array.from({length: lanes}, (_, v) => element("option", {value: v}, v)));
  $("lane").value = steps.lane;
}
