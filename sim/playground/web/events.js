// What the reader does.

const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

function listen() {
  showTexts();
  listenToImages();
  listenToErrors();
  listenToWeights();
  $("step").onclick = () => step();
  $("restart").onclick = restart;
  $("play").onclick = play;
  $("finish").onclick = finish;
  $("step-layer").onchange = (event) => { steps.layer = Number(event.target.value); chooseLanes(); startSteps(); selectLayer(steps.layer); showFirstClocks(); };
  $("lane").onchange = (event) => { steps.lane = Number(event.target.value); startSteps(); showFirstClocks(); };
  $("run").onclick = () => runRates([state.rate]);
  $("sweep").onclick = () => runRates(SWEEP_RATES);
  $("count").onchange = showCountNote;
  $("stop").onclick = () => { runs.stop = true; };
  document.addEventListener("keydown", keyPressed);
  // On a narrow page the answer is far from what changes it.
  new IntersectionObserver(([seen]) => $("strip").classList.toggle("there", !seen.isIntersecting && seen.boundingClientRect.top < 0)).observe(document.querySelector(".answer"));
  addEventListener("hashchange", () => { restore(); refresh(); });
  addEventListener("resize", () => requestAnimationFrame(redraw));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function showTexts() {
  const device = data.device;
  document.title = `${data.name}: an engine in your browser`;
  const digits = data.classes.every((name) => /^\d$/.test(name)), size = data.weights.toLocaleString("en");
  document.body.dataset.kind = data.kind;
  $("title").textContent = `${canDraw() && digits ? "Draw a digit." : canDraw() ? "Draw, or choose a picture." : "Choose a picture."} Break the memory. Watch the chip.`;
  $("lead").textContent = `${data.name} (${data.label}) keeps ${size} weights in RRAM, a memory of resistances, and computes where they are read. Some are read wrong: how many may be? What answers below is the chip's own Verilog, run clock by clock in your browser.`;
  $("code-name").textContent = `${device.code}, an error-correcting code: ${device.code_bits} check bits for every ${device.code_bits} bits, so also two devices a bit, and a decoder that corrects one wrong bit of the eight`;
  $("lane-name").textContent = data.kind === "spiking" ? "neuron" : "lane";
  $("macro-title").textContent = data.kind === "spiking" ? "The cells, and the wrong ones" : "The weights, and the wrong ones";
  $("bits-title").textContent = data.kind === "spiking" ? "Spikes until the decision" : "What each layer says";
  $("vdd").min = device.vdd[0];
  $("vdd").max = device.vdd.at(-1);
  $("spread-note").textContent = `How much R differs from device to device: two of three are within this factor of the median. Usual: about ${spreadText(device.usual)} for LRS, by the yields that SkyWater, a chip maker, publishes for its RRAM; HRS is wider as a rule.`;
  $("device-note").textContent = `The spread says how much R varies from device to device: σ of ln R, the same for both states, whose medians lie a factor of ${Math.exp(device.distance).toFixed(1)} apart (device ${device.name}: an assumed device, not a measured one). The supply sets the offset of the pair's sense amplifier, from circuit simulations in sky130 between ${device.vdd[0]} and ${device.vdd.at(-1)} V; the single device has an ideal amplifier here, which flatters it. The three rates follow from formulas, without simulation. Move the bit error rate, and it no longer follows the other two.`;
  $("any").hidden = data.images.count < 2;
  $("clear").hidden = !canDraw();
  $("pad").style.cursor = canDraw() ? "crosshair" : "default";
  $("image").max = data.images.count - 1;
  const counts = [100, 1000, SWEEP_IMAGES, data.images.count].filter((n, i, all) => n <= data.images.count && all.indexOf(n) === i);
  $("count").replaceChildren(...counts.map((n) => element("option", {value: n}, n.toLocaleString("en"))));
  $("run").disabled = $("sweep").disabled = !blobs.labels;
  document.querySelector(".stored").hidden = !data.sweep;
  $("origin").textContent = data.origin;
  showTabs();
  chooseLayers();
  showCurve();
}

function listenToImages() {
  const pad = $("pad");
  let last = null;
  const at = (event) => {
    const box = pad.getBoundingClientRect();
    return [280 * (event.clientX - box.left) / box.width, 280 * (event.clientY - box.top) / box.height];
  };
  pad.addEventListener("pointerdown", (event) => {
    if (!canDraw() || runs.busy) return;
    beginDrawing();
    pen.shown = false;
    pad.setPointerCapture(event.pointerId);
    last = at(event);
    stroke(last, [last[0] + 0.1, last[1]]);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const e of event.getCoalescedEvents?.() ?? [event]) {
      const to = at(e);
      stroke(last, to);
      last = to;
    }
  });
  for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => { last = null; });
  pad.addEventListener("keydown", (event) => {
    const move = ARROWS[event.key];
    if (!canDraw() || runs.busy || event.ctrlKey || event.metaKey || event.altKey) return;
    if (move) movePen(...move.map((d) => d * (event.shiftKey ? 4 : 1)));
    else if (event.key === " " || event.key === "Enter") setPen(!pen.down);
    else if (event.key === "Escape") setPen(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  pad.addEventListener("blur", () => {
    if (!pen.shown) return;
    pen.down = pen.shown = false;
    showPad();
  });
  $("clear").onclick = clearPad;
  $("previous").onclick = () => showImage(state.image - 1);
  $("next").onclick = () => showImage(state.image + 1);
  $("any").onclick = () => showImage(Math.floor(Math.random() * data.images.count));
  $("image").onchange = (event) => { if (event.target.value !== "") showImage(Math.max(0, Math.floor(event.target.value)) % data.images.count); };
}

function clearPad() {
  if (!canDraw()) return;
  strokes.getContext("2d").clearRect(0, 0, 280, 280);
  drawingChanged();
}

function listenToErrors() {
  for (const radio of document.getElementsByName("cell")) radio.onclick = () => { state.cell = radio.value; follow(); };
  for (const name of ["sigma", "vdd"]) {
    $(name).oninput = (event) => {
      state[name] = Number(event.target.value);
      state.linked = true;
      later();
    };
  }
  $("rate").oninput = (event) => {
    state.linked = false;
    state.rate = atSlider(Number(event.target.value));
    later();
  };
  for (const name of ["seed", "trial"]) {
    $(name).onchange = (event) => {
      if (/^\d{1,18}$/.test(event.target.value)) state[name] = event.target.value;
      refresh();
    };
  }
  $("again").onclick = drawOthers;
  $("follow").onclick = () => {
    follow();
    $("rate").focus();
  };
  $("mend").onclick = mend;
}

// The rate is that of the chosen cell again, at the spread and the supply.
function follow() {
  state.linked = true;
  refresh();
}

function drawOthers() {
  if (!state.rate) return;
  state.trial = String(BigInt(state.trial) + 1n);
  refresh();
}

function mend() {
  state.linked = false;
  state.rate = 0;
  state.extra.clear();
  refresh();
}

function listenToWeights() {
  const canvas = $("weights");
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect(), [columns, rows] = layerSize(state.layer);
    const fx = (event.clientX - box.left) / box.width * canvas.width / scale[0], fy = (event.clientY - box.top) / box.height * canvas.height / scale[1];
    let best = Math.min(rows - 1, Math.floor(fy)) * columns + Math.min(columns - 1, Math.floor(fx)), distance = 9;
    // A dot is larger than its synapse: a click on it means it.
    for (const index of engine.flips[state.layer]) {
      const dx = (index % columns + 0.5 - fx) * scale[0], dy = (Math.floor(index / columns) + 0.5 - fy) * scale[1], d = Math.hypot(dx, dy) * box.width / canvas.width;
      if (d < distance) [best, distance] = [index, d];
    }
    state.cursor = best;
    showWeights();
  });
  canvas.addEventListener("keydown", (event) => {
    const move = ARROWS[event.key];
    if (move) moveCursor(...move.map((d) => d * (event.shiftKey ? 10 : 1)));
    else if (event.key === "Enter" || event.key === " ") turnBit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  $("loupe").addEventListener("click", (event) => {
    const box = $("loupe").getBoundingClientRect(), [columns] = layerSize(state.layer), at = (part, count) => Math.min(count - 1, Math.floor(part * count));
    const x = loupe.x + at((event.clientX - box.left) / box.width, loupe.columns), y = loupe.y + at((event.clientY - box.top) / box.height, loupe.rows);
    state.cursor = y * columns + x;
    showWeights();
  });
  $("flip").onclick = turnBit;
  $("layers").addEventListener("keydown", (event) => {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key], n = data.layers.length;
    if (!by) return;
    selectLayer((state.layer + by + n) % n, true);
    event.stopPropagation();
  });
}

function keyPressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || runs.busy || event.target.matches("input[type=number], select, summary")) return;
  if (event.target.matches("input") && event.key.startsWith("Arrow")) return;  // it moves the slider or the choice
  const act = {
    ArrowLeft: () => showImage(state.image - 1), ArrowRight: () => showImage(state.image + 1), r: drawOthers, 0: mend,
    s: () => step(), p: play, c: clearPad,
  }[event.key];
  if (!act) return;
  act();
  event.preventDefault();
}
