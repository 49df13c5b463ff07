// What the reader does.

function listen() {
  showTexts();
  listenToImages();
  listenToErrors();
  listenToWeights();
  $("step").onclick = () => step();
  $("restart").onclick = () => { startSteps(); showWeights(); };
  $("play").onclick = play;
  $("finish").onclick = () => { tick(1e6); showSteps(); showWeights(); };
  $("step-layer").onchange = (event) => { steps.layer = Number(event.target.value); chooseLanes(); startSteps(); selectLayer(steps.layer); showFirstClocks(); };
  $("lane").onchange = (event) => { steps.lane = Number(event.target.value); startSteps(); showWeights(); };
  $("run").onclick = () => runRates([state.rate]);
  $("sweep").onclick = () => runRates(SWEEP_RATES);
  $("stop").onclick = () => { runs.stop = true; };
  document.addEventListener("keydown", keyPressed);
  addEventListener("hashchange", () => { restore(); refresh(); });
  addEventListener("resize", () => requestAnimationFrame(redraw));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function showTexts() {
  const device = data.device;
  document.title = `${data.name}: an engine in your browser`;
  $("lead").textContent = `${data.name} (${data.label}) keeps ${data.weights.toLocaleString("en")} weights in resistive memory and multiplies where they are read. What answers below is its Verilog, run clock by clock in your browser.`;
  $("code-name").textContent = `${device.code}: two devices a bit too`;
  $("vdd").min = device.vdd[0];
  $("vdd").max = device.vdd.at(-1);
  $("device-note").textContent = `The states lie a factor of ${Math.exp(device.distance).toFixed(1)} apart (device ${device.name}: chosen, no measured device). The spread is that of ln R, for both states. The supply sets the offset of the pair's sense amplifier, simulated in sky130 between ${device.vdd[0]} and ${device.vdd.at(-1)} V; the single device has an ideal one here. Rates are closed forms of these. Moved by hand, the rate stands for itself. Wrong bits are drawn by seed and trial, as oxnor simulate draws them.`;
  $("any").hidden = data.images.count < 2;
  $("clear").hidden = !canDraw();
  $("pad").style.cursor = canDraw() ? "crosshair" : "default";
  $("image").max = data.images.count - 1;
  const counts = [100, 1000, data.images.count].filter((n, i, all) => n <= data.images.count && all.indexOf(n) === i);
  $("count").replaceChildren(...counts.map((n) => element("option", {value: n}, n.toLocaleString("en"))));
  $("count").value = counts[Math.min(1, counts.length - 1)];
  $("run").disabled = $("sweep").disabled = !blobs.labels;
  $("origin").textContent = data.origin;
  $("progress").textContent = standsText();
  showTabs();
  chooseLayers();
  showCurve();
}

function listenToImages() {
  const pad = $("pad"), context = strokes.getContext("2d");
  let last = null;
  const at = (event) => {
    const box = pad.getBoundingClientRect();
    return [280 * (event.clientX - box.left) / box.width, 280 * (event.clientY - box.top) / box.height];
  };
  const line = (from, to) => {
    context.strokeStyle = "#fff";
    context.lineWidth = 25;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
    drawingChanged();
  };
  pad.addEventListener("pointerdown", (event) => {
    if (!canDraw() || runs.busy) return;
    if (!state.drawn) context.clearRect(0, 0, 280, 280);
    pad.setPointerCapture(event.pointerId);
    last = at(event);
    line(last, [last[0] + 0.1, last[1]]);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const e of event.getCoalescedEvents?.() ?? [event]) {
      const to = at(e);
      line(last, to);
      last = to;
    }
  });
  for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => { last = null; });
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
  for (const radio of document.getElementsByName("cell")) radio.onchange = () => { state.cell = radio.value; refresh(); };
  for (const name of ["sigma", "vdd"]) {
    $(name).oninput = (event) => {
      state[name] = Number(event.target.value);
      state.cell ??= "2t2r";
      later();
    };
  }
  $("rate").oninput = (event) => {
    state.cell = null;
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
  $("mend").onclick = mend;
}

function drawOthers() {
  state.trial = String(BigInt(state.trial) + 1n);
  refresh();
}

function mend() {
  state.cell = null;
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
    const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (move) moveCursor(...move.map((d) => d * (event.shiftKey ? 10 : 1)));
    else if (event.key === "Enter" || event.key === " ") turnBit();
    else return;
    event.preventDefault();
    event.stopPropagation();
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
