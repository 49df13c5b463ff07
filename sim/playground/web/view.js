// What is drawn of the engine: the image, the weights, the pair of devices, the bits of the layers.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const rgb = (name) => {
  const hex = colour(name).slice(1);
  return [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16));
};

// A canvas of one pixel a cell; `value` gives the colour of cell (x, y) as [r, g, b].
function paint(canvas, width, height, value) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const [r, g, b] = value(x, y);
      image.data[at] = r;
      image.data[at + 1] = g;
      image.data[at + 2] = b;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return context;
}

// The pad

const strokes = document.createElement("canvas");
strokes.width = strokes.height = 280;
let viewSide = 28;

function canDraw() {
  const [h, w, c] = data.image;
  return h === w && c === 1;
}

function showPad() {
  const pad = $("pad"), [h, w] = data.image, channels = data.image[2], context = pad.getContext("2d");
  const seen = document.createElement("canvas");
  paint(seen, w, h, (x, y) => {
    const at = (y * w + x) * channels;
    return channels === 3 ? [0, 1, 2].map((c) => state.pixels[at + c]) : Array(3).fill(state.pixels[at]);
  });
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#0b0e12";
  context.fillRect(0, 0, 280, 280);
  if (state.drawn) {
    context.drawImage(strokes, 0, 0);
    context.drawImage(seen, 208, 208, 64, 64);
    context.strokeStyle = "#6e7681";
    context.strokeRect(207.5, 207.5, 65, 65);
  } else context.drawImage(seen, 0, 0, 280, 280);
  if (pen.shown) {
    context.strokeStyle = pen.down ? "#e69f00" : "#56b4e9";
    context.lineWidth = 3;
    context.beginPath();
    context.arc(pen.x, pen.y, 13, 0, 7);
    context.stroke();
  }
  const what = state.drawn ? "Your drawing. The small picture is what the network takes." : `Image ${state.image} of ${data.images.source}.`;
  const how = canDraw() ? " Draw with mouse or finger, or with the arrow keys: space lowers and lifts the pen." : "";
  $("pad-hint").textContent = what + how;
  pad.setAttribute("aria-label", what + how);
  if (canDraw()) pad.setAttribute("role", "application");
}

// The pen that keys move; a step is one pixel of 28.
const pen = {x: 140, y: 140, down: false, shown: false};
const PEN_STEP = 10;

function stroke(from, to) {
  const context = strokes.getContext("2d");
  context.strokeStyle = "#fff";
  context.lineWidth = 25;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  drawingChanged();
}

// A drawing begins on an empty pad, not on the image that is shown.
function beginDrawing() {
  if (!state.drawn) strokes.getContext("2d").clearRect(0, 0, 280, 280);
}

function movePen(dx, dy) {
  const from = [pen.x, pen.y], within = (v) => Math.min(275, Math.max(5, v));
  [pen.x, pen.y, pen.shown] = [within(pen.x + dx * PEN_STEP), within(pen.y + dy * PEN_STEP), true];
  if (pen.down) stroke(from, [pen.x, pen.y]);
  tellPen();
}

function setPen(down) {
  [pen.down, pen.shown] = [down, true];
  if (down) {
    beginDrawing();
    stroke([pen.x, pen.y], [pen.x + 0.1, pen.y]);
  }
  tellPen();
}

function tellPen() {
  const at = (v) => Math.floor(v / PEN_STEP) + 1;
  $("pen").textContent = `Pen ${pen.down ? "down" : "up"}, column ${at(pen.x)}, row ${at(pen.y)} of 28`;
  showPad();
}

// A drawing as the test images are: in a box of 20 of 28 pixels, its centre of mass in the middle.
function normalized() {
  const side = data.rule.square > 1 ? 28 : data.image[0];
  const pixels = strokes.getContext("2d").getImageData(0, 0, 280, 280).data;
  let [x0, y0, x1, y1, mass, mx, my] = [280, 280, -1, -1, 0, 0, 0];
  for (let y = 0; y < 280; y++) {
    for (let x = 0; x < 280; x++) {
      const v = pixels[4 * (y * 280 + x) + 3];
      if (!v) continue;
      x0 = Math.min(x0, x); x1 = Math.max(x1, x); y0 = Math.min(y0, y); y1 = Math.max(y1, y);
      mass += v; mx += v * x; my += v * y;
    }
  }
  if (!mass) return new Uint8Array(side * side);
  const scale = side * 20 / 28 / Math.max(x1 - x0 + 1, y1 - y0 + 1, 60), small = document.createElement("canvas");
  small.width = small.height = side;
  const context = small.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.setTransform(scale, 0, 0, scale, side / 2 - scale * (mx / mass + 0.5), side / 2 - scale * (my / mass + 0.5));
  context.drawImage(strokes, 0, 0);
  const drawn = context.getImageData(0, 0, side, side).data;
  return Uint8Array.from({length: side * side}, (_, i) => drawn[4 * i + 3]);
}

// Through the view of a spiking network: cropped, then averaged in squares, halves rounded up.
function viewed(pixels) {
  const {cut = 0, square = 1} = data.rule;
  if (square === 1 && !cut) return pixels;
  const from = Math.sqrt(pixels.length), side = data.image[0], area = square * square;
  return Uint8Array.from({length: side * side}, (_, i) => {
    let sum = 0;
    for (let k = 0; k < area; k++) {
      const y = cut + Math.floor(i / side) * square + Math.floor(k / square), x = cut + i % side * square + k % square;
      sum += pixels[y * from + x];
    }
    return Math.floor((sum + (area >> 1)) / area);
  });
}

function drawingChanged() {
  state.drawn = true;
  state.pixels = viewed(normalized());
  if (data.images.bits) {
    const bits = inputBits(state.pixels);
    state.pixels = Uint8Array.from(bits, (bit) => 255 * bit);
  }
  state.frame = null;
  imageChanged(false);
  later();
}

// A drawing in the address: its pixels, a bit or a value each.
function drawingText() {
  const bytes = data.images.bits ? new Uint8Array(Math.ceil(state.pixels.length / 8)) : state.pixels;
  if (data.images.bits) state.pixels.forEach((v, i) => { if (v) bytes[i >>> 3] |= 1 << (i & 7); });
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function restoreDrawing(text) {
  const [h, w, c] = data.image, count = h * w * c;
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (ch) => ch.charCodeAt(0));
  } catch { return false; }
  if (bytes.length !== (data.images.bits ? Math.ceil(count / 8) : count)) return false;
  state.drawn = true;
  state.pixels = data.images.bits ? Uint8Array.from({length: count}, (_, i) => 255 * (bytes[i >>> 3] >>> (i & 7) & 1)) : bytes;
  // On the pad too, where it can be drawn on.
  const context = strokes.getContext("2d"), small = element("canvas", {width: w, height: h}), image = new ImageData(w, h);
  for (let i = 0; i < w * h; i++) image.data.set([255, 255, 255, c === 1 ? state.pixels[i] : 0], 4 * i);
  small.getContext("2d").putImageData(image, 0, 0);
  context.clearRect(0, 0, 280, 280);
  context.drawImage(small, 0, 0, 280, 280);
  imageChanged(false);
  return true;
}

// The weights of a layer, a row a neuron (of a spiking layer a row an input), with the wrong ones as dots.

function layerSize(k) {
  const layer = data.layers[k];
  return layer.down ? [layer.columns, layer.inputs] : [layer.n_in, layer.n_out];
}

function showTabs() {
  $("layers").replaceChildren(...data.layers.map((layer, k) => {
    const [columns, rows] = layerSize(k), tab = element("button", {role: "tab", "aria-selected": k === state.layer, tabindex: k === state.layer ? 0 : -1}, `layer ${k} `, element("small", {}, `${rows} × ${columns}`));
    tab.onclick = () => { selectLayer(k); };
    return tab;
  }));
}

function selectLayer(k, focus = false) {
  state.layer = k;
  state.cursor = null;
  showTabs();
  showWeights();
  if (focus) $("layers").children[k].focus();
}

let scale = [1, 1];
function showWeights() {
  const canvas = $("weights"), [columns, rows] = layerSize(state.layer), layer = state.layer;
  const sharp = Math.min(devicePixelRatio, 2), room = canvas.parentElement.clientWidth;
  // A layer is at most 440 pixels high, but for those of more rows; its cells at most three times as wide as high.
  const high = Math.max(Math.min(26, 440 / rows, Math.max(room / columns, 6)), 1), wide = Math.min(room / columns, 3 * high, 26);
  const width = Math.round(wide * columns * sharp), across = width / columns, down = high * sharp;
  const height = Math.round(down * rows), on = rgb("on"), off = rgb("off");
  const cells = document.createElement("canvas");
  paint(cells, columns, rows, (x, y) => engine.weight(layer, y * columns + x) ? on : off);
  canvas.width = width;
  canvas.height = height;
  canvas.style.width = `${width / sharp}px`;
  scale = [across, down];
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = across < 1 || down < 1;
  context.drawImage(cells, 0, 0, width, height);
  // Dots stay apart where errors are many.
  const flips = engine.flips[layer], apart = Math.sqrt(width * height / Math.max(1, flips.size)) / sharp;
  const radius = Math.max(Math.min(3.6, Math.max(1.1, apart * 0.17)) * sharp, Math.min(across, down) * 0.3);
  const fill = colour("orange"), edge = colour("back");
  for (const pass of flips.size > 3000 ? [0] : [1, 0]) {
    context.fillStyle = pass ? edge : fill;
    context.beginPath();
    for (const index of flips) {
      const x = (index % columns + 0.5) * across, y = (Math.floor(index / columns) + 0.5) * down;
      context.moveTo(x + radius + 1.3 * pass, y);
      context.arc(x, y, radius + 1.3 * pass, 0, 7);
    }
    context.fill();
  }
  markRow(context);
  showLoupe(context, across < 5 * sharp);
  if (state.cursor !== null) {
    const x = state.cursor % columns, y = Math.floor(state.cursor / columns);
    context.strokeStyle = colour("ink");
    context.lineWidth = 2.5;
    context.strokeRect(x * across - 3, y * down - 3, Math.max(across, 4) + 6, Math.max(down, 4) + 6);
  }
  canvas.setAttribute("aria-label", `${data.kind === "spiking" ? "Cells" : "Weights"} of layer ${layer}, ${rows} rows of ${columns}; ${flips.size} wrong`);
  showPair();
}

// Where a layer's cells are too small to choose one: a part of it, enlarged; its place is framed in the map.
const loupe = {x: 0, y: 0, columns: 0, rows: 0};
const LOUPE_CELL = 14, LOUPE_ROWS = 9;

function showLoupe(context, wanted) {
  $("lens").hidden = !wanted;
  if (!wanted) return;
  const canvas = $("loupe"), [columns, rows] = layerSize(state.layer), flips = engine.flips[state.layer], at = state.cursor ?? flips.values().next().value ?? 0;
  const sharp = Math.min(devicePixelRatio, 2), cell = LOUPE_CELL * sharp, room = Math.floor(canvas.parentElement.clientWidth / LOUPE_CELL);
  const start = (place, shown, all) => Math.max(0, Math.min(all - shown, place - (shown >> 1)));
  loupe.columns = Math.min(columns, room);
  loupe.rows = Math.min(rows, LOUPE_ROWS);
  loupe.x = start(at % columns, loupe.columns, columns);
  loupe.y = start(Math.floor(at / columns), loupe.rows, rows);
  canvas.width = loupe.columns * cell;
  canvas.height = loupe.rows * cell;
  canvas.style.width = `${loupe.columns * LOUPE_CELL}px`;
  const near = canvas.getContext("2d"), [on, off, orange, edge, ink] = ["on", "off", "orange", "back", "ink"].map(colour);
  for (let y = 0; y < loupe.rows; y++) {
    for (let x = 0; x < loupe.columns; x++) {
      const index = (loupe.y + y) * columns + loupe.x + x;
      near.fillStyle = engine.weight(state.layer, index) ? on : off;
      near.fillRect(x * cell, y * cell, cell - sharp, cell - sharp);
      for (const [radius, fill] of flips.has(index) ? [[0.36, edge], [0.28, orange]] : []) {
        near.fillStyle = fill;
        near.beginPath();
        near.arc((x + 0.5) * cell - sharp / 2, (y + 0.5) * cell - sharp / 2, radius * cell, 0, 7);
        near.fill();
      }
      if (index !== state.cursor) continue;
      near.strokeStyle = ink;
      near.lineWidth = 2.5 * sharp;
      near.strokeRect(x * cell, y * cell, cell - sharp, cell - sharp);
    }
  }
  context.strokeStyle = ink;
  context.lineWidth = 2;
  context.strokeRect(loupe.x * scale[0], loupe.y * scale[1], loupe.columns * scale[0], loupe.rows * scale[1]);
}

function markRow(context) {
  const neuron = readNeuron(state.layer);
  if (neuron === null) return;
  const [columns, rows] = layerSize(state.layer);
  context.fillStyle = colour("purple");
  context.fillRect(0, Math.min(rows - 1, neuron) * scale[1] - 1, columns * scale[0], Math.max(3, Math.min(scale[1], 4)));
}

function moveCursor(dx, dy) {
  const [columns, rows] = layerSize(state.layer), at = state.cursor ?? 0;
  const x = Math.min(columns - 1, Math.max(0, at % columns + dx)), y = Math.min(rows - 1, Math.max(0, Math.floor(at / columns) + dy));
  state.cursor = y * columns + x;
  showWeights();
}

function turnBit() {
  if (state.cursor === null) return;
  const key = `${state.layer}:${state.cursor}`;
  if (!state.extra.delete(key)) state.extra.set(key, true);
  refresh();
}

// The bits that layers hand on.

function layerBits(answer, k) {
  const units = answer.log.some((entry) => entry.unit === `pool${k}`) ? `pool${k}` : `layer${k}`, bits = [];
  for (const entry of answer.log) {
    if (entry.unit === units) for (let i = 0; i < entry.bits; i++) bits.push(entry.words[i >>> 5] >>> (i & 31) & 1);
  }
  return bits;
}

function showBits() {
  if (data.kind === "spiking") {
    showRaster();
    return;
  }
  const figures = [];
  data.layers.slice(0, -1).forEach((layer, k) => {
    const bits = layerBits(state.answer, k), clean = layerBits(state.clean, k), changed = bits.filter((bit, i) => bit !== clean[i]).length;
    const [h, w, c] = layer.shape.length === 3 ? layer.shape : [1, 1, layer.shape[0]], map = h * w > 1;
    // Maps side by side; a vector as a block.
    const perRow = map ? Math.ceil(Math.sqrt(c * 2)) : Math.min(c, c <= 64 ? 16 : c <= 256 ? 32 : 64), gap = map ? 1 : 0;
    const lines = Math.ceil(c / perRow), width = perRow * (w + gap) - gap, height = lines * (h + gap) - gap;
    const size = Math.max(2, Math.min(map ? 6 : 12, Math.floor(460 / width)));
    const canvas = element("canvas", {role: "img", "aria-label": `Layer ${k}: ${bits.filter((b) => b).length} of ${bits.length} bits are 1, ${changed} changed by the errors`});
    canvas.width = width * size;
    canvas.height = height * size;
    const context = canvas.getContext("2d"), [on, off, orange] = [colour("on"), colour("off"), colour("orange")];
    for (let channel = 0; channel < c; channel++) {
      for (let p = 0; p < h * w; p++) {
        const i = p * c + channel, x = (channel % perRow * (w + gap) + p % w) * size, y = (Math.floor(channel / perRow) * (h + gap) + Math.floor(p / w)) * size;
        const inset = size > 4 && !map ? 1 : 0;
        context.fillStyle = bits[i] ? on : off;
        context.fillRect(x, y, size - inset, size - inset);
        if (bits[i] !== clean[i]) {
          context.strokeStyle = context.fillStyle = orange;
          context.lineWidth = 2.5;
          if (size > 4) context.strokeRect(x + 1, y + 1, size - inset - 2, size - inset - 2);
          else context.fillRect(x, y, size, size);
        }
      }
    }
    const name = layer.kind === "conv" ? `layer ${k}: ${c} maps of ${h} × ${w}` : `layer ${k}: ${c} neurons`;
    figures.push(element("figure", {}, canvas, element("figcaption", {}, `${name}${changed ? `, ${changed} changed` : ""}`)));
  });
  const scores = state.answer.scores;
  figures.push(element("figure", {}, element("p", {style: "font-size:26px;font-weight:700;margin:0"}, `→ ${className(state.answer.class)}`), element("figcaption", {}, `layer ${data.layers.length - 1}: ${scores.length} scores; the highest wins`)));
  $("bits").replaceChildren(...figures);
}

// Spikes until the decision: each layer's as dots, a row a neuron.
function showRaster() {
  const width = Math.max(340, Math.min(1240, $("bits").clientWidth)), shown = [], last = Math.max(1, state.answer.tick);
  data.layers.forEach((layer, k) => {
    const output = k === data.layers.length - 1, n = layer.n_out, row = n <= 16 ? 15 : 1.6, height = Math.ceil(n * row) + 22, dots = [];
    let count = 0;
    for (const entry of state.answer.log) {
      if (entry.unit !== (output ? "m_spike" : `layer${k}`)) continue;
      const tick = output ? entry.words[0] : field(entry.words, 0, 2 * n, 16), base = output ? 64 : 0;
      for (let j = 0; j < n; j++) {
        if (!(entry.words[base + j >>> 5] >>> (base + j & 31) & 1)) continue;
        const negative = entry.words[base + n + j >>> 5] >>> (base + n + j & 31) & 1;
        count++;
        dots.push(`<rect x="${(34 + (width - 44) * tick / last).toFixed(1)}" y="${(j * row + 1).toFixed(1)}" width="3" height="${Math.max(2.2, row - 3)}" fill="var(--${negative ? "orange" : output && j === state.answer.class ? "green" : "blue"})"/>`);
      }
    }
    const names = n <= 16 ? Array.from({length: n}, (_, j) => `<text x="24" y="${j * row + 11}" text-anchor="end" font-size="11" fill="var(--muted)">${className(j)}</text>`) : [];
    const axis = `<line x1="34" x2="${width - 10}" y1="${height - 18}" y2="${height - 18}" stroke="var(--line)"/><text x="34" y="${height - 4}" font-size="11" fill="var(--muted)">tick 0</text><text x="${width - 10}" y="${height - 4}" text-anchor="end" font-size="11" fill="var(--muted)">decision, tick ${last}</text>`;
    const caption = `${output ? "output" : "hidden"} layer ${k}: ${count} spikes of ${n} neurons${output ? ". The image is decided when one of them is far enough ahead" : ""}`;
    shown.push(`<figure style="width:100%"><svg viewBox="0 0 ${width} ${height}" style="width:100%" role="img" aria-label="${caption}">${axis}${names.join("")}${dots.join("")}</svg><figcaption>${caption}</figcaption></figure>`);
  });
  $("bits").innerHTML = shown.join("");
}
