// The page: its state, which its address holds, and what follows from it.

const $ = (id) => document.getElementById(id);
const RATE_LOW = 1e-5, RATE_HIGH = 0.3;

const state = {
  image: 0, pixels: null, drawn: false, cell: "2t2r", linked: true, sigma: 0.5, vdd: 1.8, rate: 0, seed: "0", trial: "0", extra: new Map(),
  layer: 0, cursor: null, answer: null, clean: null, frame: null,
};
let data, blobs, engine;

const atSlider = (p) => p <= 0 ? 0 : Number((RATE_LOW * (RATE_HIGH / RATE_LOW) ** ((p - 1) / 99)).toPrecision(2));
const toSlider = (rate) => rate <= 0 ? 0 : Math.min(100, Math.max(1, 1 + 99 * Math.log(rate / RATE_LOW) / Math.log(RATE_HIGH / RATE_LOW)));
const percent = (share) => `${Number((100 * share).toPrecision(3))}\u00a0%`;
const className = (k) => data.classes[k] ?? String(k);
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

function rateText(rate) {
  if (rate === 0) return "0";
  return rate < 1e-6 ? rate.toExponential(1).replace("e-", " · 10⁻").replace(/⁻(\d+)/, (_, d) => "⁻" + [...d].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]).join("")) : percent(rate);
}

// Images

function storedPixels(k) {
  const {bits, per_image: size} = data.images, [h, w, c] = data.image, count = bits ? h * w * c : size;
  const part = blobs.images.subarray(k * size, (k + 1) * size);
  return Uint8Array.from({length: count}, (_, i) => bits ? 255 * (part[i >>> 3] >>> (i & 7) & 1) : part[i]);
}

// What the network takes of values in [0, 255], as bits.
function inputBits(pixels) {
  const {kind, thresholds: t, table, bits} = data.rule;
  if (kind === "grey") return Array.from({length: 8 * pixels.length}, (_, i) => pixels[i >>> 3] >>> (i & 7) & 1);
  if (kind === "planes") return Array.from(pixels).flatMap((v) => Array.from({length: bits}, (_, b) => table[v] >>> b & 1));
  if (data.images.bits && !state.drawn) return Array.from(pixels, (v) => v > 0);
  if (kind === "thermometer") return Array.from(pixels).flatMap((v, i) => t[i].map((limit) => v >= limit));
  if (kind === "bipolar") return Array.from(pixels, (v) => v >= 128);
  return Array.from(pixels, (v, i) => v >= (Array.isArray(t) ? t[i] : t));
}

function imageFrame(k) {
  const before = state.drawn;
  state.drawn = false;
  const frame = packBeats(inputBits(storedPixels(k)), data.module);
  state.drawn = before;
  return frame;
}

// Errors

function drawnFlips(rate, seed, trial) {
  return data.layers.map((layer, k) => {
    const size = layer.down ? layer.inputs * layer.columns : layer.n_out * layer.n_in;
    return new Set(rate > 0 ? drawFlips(size, rate, BigInt(seed), k, BigInt(trial)) : []);
  });
}

function allFlips(rate = state.rate) {
  const flips = drawnFlips(rate, state.seed, state.trial);
  for (const key of state.extra.keys()) {
    const [k, index] = key.split(":").map(Number);
    if (!flips[k].delete(index)) flips[k].add(index);
  }
  return flips;
}

function linkedRate() {
  // One rounding for all that is said of them.
  const rates = Object.fromEntries(Object.entries(cellRates(data.device, state.sigma, state.vdd)).map(([cell, rate]) => [cell, Number(rate.toPrecision(3))]));
  if (state.linked) state.rate = rates[state.cell];
  return rates;
}

// The address

// Whether the state is that of the address: what it left out is told until the reader does something.
let restored = false;
const WHOLE = /^\d{1,18}$/;

// What cannot be meant is left out, and named.
function restore() {
  const given = new URLSearchParams(location.hash.slice(1)), ignored = [], device = data.device;
  const take = (name, read) => {
    const text = given.get(name), value = text === null ? null : read(text);
    given.delete(name);
    if (text !== null && value === null) ignored.push(`${name}=${text.length > 24 ? `${text.slice(0, 24)}…` : text}`);
    return value;
  };
  const between = (low, high) => (text) => text.trim() && Number(text) >= low && Number(text) <= high ? Number(text) : null;
  const whole = (text) => WHOLE.test(text) ? text : null;
  state.sigma = take("sigma", between(SIGMA_LOW, SIGMA_HIGH)) ?? device.sigma;
  state.vdd = take("vdd", between(device.vdd[0], device.vdd.at(-1))) ?? device.vdd.at(-1);
  state.seed = take("seed", whole) ?? "0";
  state.trial = take("trial", whole) ?? "0";
  const rate = take("rate", between(0, 1)), cell = take("cell", (text) => WAYS.some(([way]) => way === text) ? text : null);
  state.cell = cell ?? "2t2r";
  state.linked = rate === null;
  if (!state.linked) state.rate = rate;
  state.extra = new Map((take("flip", (text) => text) ?? "").split(",").filter((key) => {
    const [k, index] = /^\d{1,9}:\d{1,9}$/.test(key) ? key.split(":").map(Number) : [-1, 0], [columns, rows] = data.layers[k] ? layerSize(k) : [0, 0];
    if (key && index >= columns * rows) ignored.push(`flip=${key.slice(0, 24)}`);
    return index < columns * rows;
  }).map((key) => [key, true]));
  const image = take("image", (text) => WHOLE.test(text) && Number(text) < data.images.count ? Number(text) : null);
  if (!take("draw", (text) => restoreDrawing(text) || null)) showImage(image ?? 0, false);
  ignored.push(...given.keys());
  $("ignored").hidden = !ignored.length;
  restored = true;
  $("ignored").textContent = `The address of this page has parts that it does not take, and leaves out: ${ignored.join(", ")}.`;
}

function remember() {
  const kept = new URLSearchParams();
  if (state.drawn) kept.set("draw", drawingText());
  else kept.set("image", state.image);
  if (state.linked || state.cell !== "2t2r") kept.set("cell", state.cell);
  if (!state.linked) kept.set("rate", state.rate);
  if (state.linked || state.sigma !== data.device.sigma) kept.set("sigma", state.sigma);
  if (state.linked || state.vdd !== data.device.vdd.at(-1)) kept.set("vdd", state.vdd);
  kept.set("seed", state.seed);
  kept.set("trial", state.trial);
  if (state.extra.size) kept.set("flip", [...state.extra.keys()].join(","));
  history.replaceState(null, "", "#" + kept.toString().replaceAll("%3A", ":").replaceAll("%2C", ","));
}

// From the state to the page

function showImage(k, again = true) {
  state.image = (k + data.images.count) % data.images.count;
  state.drawn = false;
  state.pixels = storedPixels(state.image);
  imageChanged(again);
}

function imageChanged(again = true) {
  state.frame = packBeats(inputBits(state.pixels), data.module);
  state.clean = null;
  if (again) refresh();
}

let waiting = 0;
function later() {
  if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; refresh(); });
}

// The same state in another size or in other colours.
function redraw() {
  showPad();
  showWeights();
  showBits();
  if (steps.ready) showSteps();
  showCurve();
}

function refresh() {
  if (runs.busy) return;  // it is done when the images are
  stopSteps();
  if (!restored) $("ignored").hidden = true;
  restored = false;
  const rates = linkedRate();
  const flips = allFlips(), faulty = flips.some((layer) => layer.size);
  if (!state.clean) {
    engine.setFlips(data.layers.map(() => new Set()));
    state.clean = engine.answer(state.frame);
  }
  engine.setFlips(flips);
  state.answer = faulty ? engine.answer(state.frame) : state.clean;
  forgetPoints();
  state.rates = rates;
  showControls(rates);
  showBuys(rates);
  showPad();
  showAnswer();
  showBits();
  showCurve();
  startSteps();
  showFirstClocks();
  remember();
}

function showControls(rates) {
  for (const radio of document.getElementsByName("cell")) radio.checked = radio.value === state.cell;
  showVerdicts(rates);
  const idle = state.linked ? "" : ", not used";
  $("sigma").value = state.sigma;
  $("sigma-out").textContent = spreadText(state.sigma) + (idle || ` (σ = ${state.sigma.toFixed(2)})`);
  $("vdd").value = state.vdd;
  $("vdd-out").textContent = `${state.vdd.toFixed(2)} V${idle}`;
  $("by-hand").hidden = state.linked;
  $("by-spread").hidden = !state.linked;
  showSupplyNote();
  for (const name of ["sigma", "vdd"]) $(name).setAttribute("aria-valuetext", $(`${name}-out`).textContent);
  $("rate").value = toSlider(state.rate);
  $("rate").setAttribute("aria-valuetext", rateText(state.rate));
  $("rate-out").textContent = rateText(state.rate);
  $("seed").value = state.seed;
  $("trial").value = state.trial;
  $("again").disabled = !state.rate;
  $("again").title = state.rate ? "" : "The bit error rate is 0: no bits are drawn as wrong";
  $("image").value = state.drawn ? "" : state.image;
  showWrong();
  const images = state.drawn ? 1000 : state.image + 1, extra = state.extra.size ? ", but for the bits that you flipped" : "";
  const options = state.rate ? ` --ber ${state.rate} --seed ${state.seed} --trial ${state.trial}` : "";
  $("command").replaceChildren(`Which bits are wrong is drawn at random: the trial is the number of the draw, the seed that of a series of draws. The same two give the same wrong bits in a simulation${extra}: `, element("code", {}, `oxnor simulate ${data.name} --images ${images}${options}`));
  showDensities();
}

// What the supply does, and how much, at the spread of now.
function showSupplyNote() {
  const {vdd, energy} = data.device, last = vdd.length - 1;
  const read = (k) => `${Math.round(energy[k])} fJ a bit at ${vdd[k]} V`, wrong = (k) => rateText(Number(cellRates(data.device, state.sigma, vdd[k])["2t2r"].toPrecision(3)));
  const ideal = state.cell === "2t2r" ? "" : " It does not act on the chosen cell: the amplifier of 1T1R is taken as ideal here.";
  $("supply-note").textContent = `A lower supply saves energy (${read(last)}, ${read(0)}), but the pair's amplifiers then differ more from each other: at this spread 2T2R reads ${wrong(last)} of the bits wrong at ${vdd[last]} V, ${wrong(0)} at ${vdd[0]} V.${ideal}`;
}

// How many bits are wrong: of the state, and of each rate while images run.
function showWrong() {
  const wrong = engine.flips.reduce((sum, flips) => sum + flips.size, 0);
  $("wrong").textContent = `${wrong.toLocaleString("en")} of ${bitCount().toLocaleString("en")} wrong`;
}

function showAnswer() {
  const {answer, clean} = state, blank = state.drawn && !state.pixels.some((v) => v), known = blobs.labels && !state.drawn, label = known ? blobs.labels[state.image] : null;
  $("class").textContent = blank ? "–" : className(answer.class);
  $("class").className = !blank && className(answer.class).length > 2 ? "word" : "";
  const said = $("said"), right = answer.class === label, verdict = () => element("span", {class: right ? "good" : "bad"}, right ? "✓ right" : `✗ wrong: it is ${className(label)}`);
  said.replaceChildren();
  if (known) said.append(verdict(), element("br"));
  if (blank) said.append("nothing is drawn");
  else said.append(answer.class === clean.class ? "the same as without errors" : `without errors it answers ${className(clean.class)}`);
  if (answer.undecided) said.append(element("br"), "undecided: too few spikes for a clear lead");
  $("strip").replaceChildren(element("b", {}, blank ? "–" : className(answer.class)), known ? verdict() : "", element("span", {}, `${$("wrong").textContent}`));
  const low = Math.min(0, ...answer.scores), high = Math.max(...answer.scores), span = Math.max(high - low, 1), rows = [];
  answer.scores.forEach((score, k) => {
    const bar = element("div", {class: "bar", style: `width:${2 + 98 * (score - low) / span}%`});
    rows.push(element("div", {class: k === answer.class ? "top" : ""}, element("b", {class: k === label ? "right" : ""}, className(k)), element("div", {class: "track"}, bar), element("span", {}, String(score))));
  });
  $("scores").replaceChildren(...rows);
  $("scores").hidden = $("facts").hidden = blank;
  $("scores").setAttribute("aria-label", "Scores: " + answer.scores.map((s, k) => `${className(k)}: ${s}`).join(", "));
  const golden = !state.drawn && blobs.golden[state.image] === clean.class ? " Without errors, the reference model in numpy gives the same class." : "";
  const bars = data.kind === "spiking" ? `Bars: spikes of each output, counted with their signs. Decided at tick ${answer.tick}, after ` : "Bars: the scores of the classes; the highest wins. It took ";
  $("facts").textContent = `${bars}${answer.cycles.toLocaleString("en")} clock cycles.${golden}`;
}

function fail(text) {
  $("notice").hidden = false;
  $("notice").textContent = text;
  $("main").hidden = $("keys").hidden = true;
  if ($("stills")) $("stills").hidden = false;
}

// Beside the picture of the engine, where there is one: accuracy by the stored sweep, which needs no engine.
function showStills() {
  data = JSON.parse($("data").textContent);
  if (!data.sweep) return;
  Object.assign(state, {sigma: data.device.sigma, vdd: data.device.vdd.at(-1)});
  state.rates = linkedRate();
  showCurve();
  $("stills").append(element("figure", {}, $("accuracy"), element("figcaption", {}, `${toleratesText()} The points are the bit error rates of 2T2R, 1T1R + code and 1T1R at a spread of ${spreadText(state.sigma)}.`)));
}

async function unpack(text) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let k = 0; k < bytes.length; k++) bytes[k] = letters.charCodeAt(k);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function start() {
  if (typeof WebAssembly !== "object" || typeof DecompressionStream !== "function") {
    fail("This browser has no WebAssembly, in which the engine runs, or cannot unpack it. Below are still pictures instead; a browser of 2023 or later runs the page.");
    showStills();
    return;
  }
  try {
    data = JSON.parse($("data").textContent);
    const packed = JSON.parse($("blobs").textContent);
    blobs = Object.fromEntries(await Promise.all(Object.entries(packed).map(async ([name, text]) => [name, await unpack(text)])));
  } catch {
    fail("This file is damaged or cut off: copy it again, or write it again with oxnor playground.");
    return;
  }
  for (const name of Object.values(data.contents)) blobs[name] = new Uint32Array(blobs[name].buffer);
  engine = await Engine.load(data, blobs);
  listen();
  restore();
  refresh();
  chooseCount();
  // For the console, and for tests.
  globalThis.playground = {data, blobs, engine, state, runs, drawFlips, drawnFlips, imageFrame, cellRates, refresh};
  $("main").inert = false;
  document.body.dataset.ready = "1";
}
