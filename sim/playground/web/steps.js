// Clock by clock: the same image once more, a clock at a time, with the registers of one lane of one layer.

const steps = {layer: 0, lane: 0, history: [], timer: 0, running: false, over: false, ready: false};
const HISTORY = 9;
// What is shown at first, so that there is something to see: clocks until a read, and after its begin.
const FIRST_READ = 600, FIRST_CLOCKS = 16;

function stopSteps() {
  clearInterval(steps.timer);
  steps.timer = 0;
  steps.ready = false;
  $("play").textContent = "▶ Play";
  $("play").setAttribute("aria-pressed", "false");
}

function startSteps() {
  stopSteps();
  steps.history = [];
  steps.over = false;
  engine.feed([state.frame], true);
  steps.ready = true;
  showSteps();
}

function tick(count = 1) {
  if (!steps.ready) startSteps();
  for (let k = 0; k < count && !steps.over; k++) {
    steps.over = engine.code.advance(1) > 0;
    steps.history.push(sample());
    if (steps.history.length > HISTORY) steps.history.shift();
  }
}

function step(count = 1) {
  tick(count);
  if (steps.over) clearInterval(steps.timer);
  showSteps();
  showWeights();
}

function showFirstClocks() {
  for (let k = 0; k < FIRST_READ && !steps.over && data.kind !== "spiking" && !steps.history.at(-1)?.busy; k++) tick();
  step(FIRST_CLOCKS);
}

function play() {
  if (steps.timer) {
    clearInterval(steps.timer);
    steps.timer = 0;
  } else {
    if (steps.over) startSteps();
    steps.timer = setInterval(() => { step(); if (steps.over) play(); }, 120);
  }
  $("play").textContent = steps.timer ? "⏸ Pause" : "▶ Play";
  $("play").setAttribute("aria-pressed", String(Boolean(steps.timer)));
}

const number = (signal) => signal && field(signal.words, 0, 0, Math.min(signal.bits, 32));

// The registers of the chosen lane, after the clock edge; clock 0 takes the image. What the neuron decided is of before.
function sample() {
  const k = steps.layer, v = steps.lane, layer = data.layers[k], cycle = Math.max(0, engine.code.elapsed() - 1);
  if (data.kind === "spiking") {
    const sensed = engine.signal(`layer${k} tile_d0_a0 macro r`), membrane = engine.signal(`layer${k} neuron${v} v`);
    return {cycle, row: null, weights: sensed, p: membrane && field(membrane.words, 0, 0, membrane.bits, true), t: null, fire: null};
  }
  const array = `layer${k} array`, tile = `${array} tile_v${v}_h0`;
  let inputs = null;
  for (let g = 0; g < layer.groups && !inputs; g++) inputs = engine.signal(`${array} tile_v${g}_h0 macro xr`);
  const coefficients = engine.signal(`${array} coefficient_rom q`);
  const width = coefficients ? coefficients.bits / layer.groups : 0;
  return {
    cycle, busy: number(engine.signal(`${array} busy`)), row: number(engine.signal(`${array} row`)),
    weights: engine.signal(`${tile} macro r`), inputs, p: number(engine.signal(`${tile} count`)),
    t: coefficients && layer.kind !== "scores" ? field(coefficients.words, 0, v * width, width) : null,
    fire: number(engine.signal(`layer${k} neuron${v}_fire`)),
  };
}

// The neuron whose word line is sensed now; null if none is.
function readNeuron(k) {
  const now = steps.history.at(-1), layer = data.layers[k];
  if (!now || k !== steps.layer || now.busy === null || now.busy === undefined || !now.busy) return null;
  return Math.floor(now.row / layer.slices) * layer.groups + steps.lane;
}

function bitsPicture(words, count, on, name) {
  let ones = 0;
  for (let i = 0; i < count; i++) ones += words[i >>> 5] >>> (i & 31) & 1;
  const canvas = element("canvas", {role: "img", "aria-label": `${name}: ${ones} of ${count} bits are 1`}), side = Math.sqrt(count);
  const [h, w] = Number.isInteger(side) ? [side, side] : [Math.ceil(count / 32), 32];
  const yes = rgb(on), no = rgb("off"), back = rgb("back");
  paint(canvas, w, h, (x, y) => y * w + x >= count ? back : words[y * w + x >>> 5] >>> (y * w + x & 31) & 1 ? yes : no);
  return canvas;
}

function part(title, content, note) {
  return element("div", {}, element("h3", {}, title), content, element("small", {}, note));
}

function showSteps() {
  const now = steps.history.at(-1), before = steps.history.at(-2), layer = data.layers[steps.layer];
  $("clock").textContent = `clock ${now ? now.cycle.toLocaleString("en") : 0} of ${state.answer.cycles.toLocaleString("en")}`;
  if (data.kind === "spiking") {
    showMembrane(now);
    return;
  }
  const line = (s) => s && s.busy ? `word line ${s.row}` : "no read", used = Math.min(layer.cols, layer.n_in);
  const blank = () => element("canvas", {"aria-hidden": "true"});
  const weights = now?.weights ? bitsPicture(now.weights.words, used, "on", "weights") : blank();
  const inputs = now?.inputs ? bitsPicture(now.inputs.words, used, "purple", "inputs") : blank();
  const agree = now?.weights && now.inputs ? now.weights.words.map((w, i) => ~(w ^ now.inputs.words[i])) : null;
  const xnor = agree ? bitsPicture(agree, used, "green", "XNOR") : blank();
  // The neuron decides at the clock edge after its popcount: both of one word line.
  const most = Math.max(1, used), p = before?.p ?? 0, t = before?.t ?? null, scores = layer.kind === "scores";
  const gauge = element("div", {class: "gauge"}, element("i", {style: `width:${100 * p / most}%`}));
  if (t !== null) gauge.append(element("u", {style: `left:${100 * Math.min(1, t / most)}%`}));
  const count = element("div", {}, element("span", {class: "value"}, before ? `p = ${p}` : "p"), gauge, t !== null ? `T = ${t}` : scores ? "a score: no threshold" : "T");
  const fires = t !== null && now.fire, adds = layer.slices > 1 || t > most;  // several reads to a decision
  const lamp = element("div", {class: `lamp${fires ? " on" : ""}`}, scores ? "Σ" : t === null ? "" : fires ? "1" : "0");
  const selected = element("div", {}, element("span", {class: "value"}, now?.busy ? now.row : "–"));
  selected.append(weights);
  $("read").replaceChildren(
    part("Word line and its weights", selected, `selected now: ${line(now)}; below, the row that was sensed: ${line(before)}`),
    part("Inputs on the columns", inputs, `the ${used} bits at the sense amplifiers`),
    part("XNOR in the amplifiers", xnor, "green where weight and input agree"),
    part("Popcount and threshold", count, `of ${line(steps.history.at(-4))}: how many agree, and how many must`),
    part("Neuron", lamp, scores ? "the largest score wins" : t === null ? "" : adds ? `it adds up the counts of several reads: ${fires ? "T is reached" : "T is not reached, or not all are there"}` : fires ? "p ≥ T: it answers 1" : "p < T: it answers 0"),
  );
  showWave();
}

function showMembrane(now) {
  const used = data.layers[steps.layer].columns;
  const cells = now?.weights ? bitsPicture(now.weights.words, Math.min(used, now.weights.bits), "on", "cells") : element("canvas", {"aria-hidden": "true"});
  $("read").replaceChildren(
    part("Word line of the spike", cells, "cells of the input that spiked last"),
    part(`Neuron ${steps.lane}`, element("span", {class: "value"}, now ? String(now.p ?? 0) : "–"), "its membrane: weights of spikes added up since it fired"),
  );
  showWave();
}

function showWave() {
  const rows = data.kind === "spiking" ? [["membrane", (s) => s.p]] : [
    ["word line", (s) => s.busy ? s.row : ""], ["popcount p", (s) => s.p], ["threshold T", (s) => s.t ?? ""], ["neuron", (s) => s.t === null ? "" : s.fire],
  ];
  const head = element("tr", {}, element("th", {scope: "row"}, "clock"), ...steps.history.map((s, i) => element("td", {class: i === steps.history.length - 1 ? "now" : ""}, String(s.cycle))));
  const marked = {"word line": 4, "popcount p": 2, "threshold T": 2, neuron: 1};
  $("wave").replaceChildren(head, ...rows.map(([name, value]) => element("tr", {}, element("th", {scope: "row"}, name), ...steps.history.map((s, i) => {
    const same = i === steps.history.length - marked[name] && steps.history.length > 3;
    return element("td", {class: `${same ? "same" : ""}${i === steps.history.length - 1 ? " now" : ""}`}, String(value(s) ?? ""));
  }))));
}

function chooseLayers() {
  $("step-layer").replaceChildren(...data.layers.map((_, k) => element("option", {value: k}, k)));
  chooseLanes();
}

function chooseLanes() {
  const layer = data.layers[steps.layer], lanes = layer.groups ?? layer.n_out;
  $("lane-label").hidden = lanes === 1;
  steps.lane = Math.min(steps.lane, lanes - 1);
  $("lane").replaceChildren(...Array.from({length: lanes}, (_, v) => element("option", {value: v}, v)));
  $("lane").value = steps.lane;
}
