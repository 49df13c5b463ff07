// How the chosen bit is kept, and what is read of it.
function showPair() {
  const svg = $("pair"), at = state.cursor, {cell} = state, spiking = data.kind === "spiking";
  $("flip").disabled = at === null;
  $("lines-note").textContent = {
    "2t2r": "BL and BLb: the two bit lines of a column, the wires on which its devices are read. LRS, HRS: low and high resistance, as programmed.",
    "1t1r": "BL: the bit line, the wire on which the device is read. LRS, HRS: low and high resistance, as programmed; the reference is between them.",
    code: "Four bits and their four check bits, a device each. The decoder corrects one wrong bit of the eight.",
  }[cell];
  const kept = {"2t2r": "pair of devices", "1t1r": "device", code: "code word"}[cell];
  svg.setAttribute("aria-label", `The ${kept} of the chosen ${spiking ? "cell" : "synapse"}`);
  if (at === null) {
    svg.innerHTML = keptPicture(cell, {weight: 1, held: 1, input: null, data: [1, 0, 0, 1], place: 0});
    $("synapse").textContent = `Choose a ${spiking ? "cell" : "synapse"} by a click, or with the arrow keys: its ${kept} is shown.`;
    return;
  }
  const [columns] = layerSize(state.layer), row = Math.floor(at / columns), column = at % columns, first = column - column % data.device.code_bits;
  const wrong = engine.flips[state.layer].has(at), weight = engine.weight(state.layer, at), held = weight ^ wrong;
  const [macro, line, place] = engine.place(state.layer, at), input = state.layer === 0 && !spiking && data.layers[0].kind !== "conv" ? Number(inputAt(column)) : null;
  const word = Array.from({length: data.device.code_bits}, (_, i) => first + i < columns ? engine.weight(state.layer, row * columns + first + i) : 0);
  svg.innerHTML = keptPicture(cell, {weight, held, input, data: word, place: column - first});
  const [name, read] = spiking ? ["cell", ["off", "on"]] : ["weight", ["−1", "+1"]];
  const said = wrong ? `, but ${whyWrong(at)}: it reads ${read[held]}.` : state.extra.has(`${state.layer}:${at}`) ? ". It was drawn as wrong, and you flipped it back." : ".";
  $("synapse").textContent = `${bitName(row, column)}: word line ${line}, column ${place} of macro ${macro.match(/tile_(\w+)/)[1]}. Its ${name} is ${read[weight]}${said}`
    + (input === null ? "" : ` The input is ${input}: XNOR gives ${Number(held === input)}.`);
}

// Why the chosen bit is wrong: by hand, at a rate set by hand, or for what its cell does.
function whyWrong(at) {
  if (state.extra.has(`${state.layer}:${at}`)) return "you flipped it";
  if (!state.linked) return "it is drawn as wrong, at the rate that you set";
  return {"2t2r": "the amplifier decides the wrong way", "1t1r": "the device lies on the wrong side of the reference", code: "too many of the word's bits are wrong for the decoder"}[state.cell];
}

function bitName(row, column) {
  const {down, cells} = data.layers[state.layer];
  if (!down) return `Neuron ${row}, input ${column}`;
  const bank = column % cells < cells / 2 ? "positive" : "negative";
  return `Input ${row}, neuron ${Math.floor(column / cells)}, cell ${column % (cells / 2)} of its ${bank} bank`;
}

function inputAt(i) {
  return field(state.frame, Math.floor(i / data.module.beat_bits) * Math.ceil(data.module.beat_bits / 32), i % data.module.beat_bits, 1);
}

const svgText = (x, y, text, more = "") => `<text x="${x}" y="${y}" font-size="12" fill="var(--ink)" ${more}>${text}</text>`;
const middle = 'text-anchor="middle"';

function box(x, y, width, height, text, wrong) {
  const name = wrong ? "orange" : "blue";
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" fill="var(--${name}-fill)" stroke="var(--${name})" stroke-width="2"/>` + svgText(x + width / 2, y + height / 2 + 4, text, middle);
}

// A device on its bit line, in the state to which it was programmed.
function device(x, low, name, side) {
  return `<line x1="${x}" y1="6" x2="${x}" y2="72" stroke="var(--line)" stroke-width="2"/>`
    + `<rect x="${x - 17}" y="24" width="34" height="22" rx="4" fill="var(--${low ? "on" : "off"})" stroke="var(--line)"/>`
    + `<text x="${x}" y="39" text-anchor="middle" font-size="12" font-weight="700" fill="var(--${low ? "back" : "ink"})">${low ? "LRS" : "HRS"}</text>`
    + `<text x="${x + 22 * side}" y="16" text-anchor="${side < 0 ? "end" : "start"}" font-size="12" fill="var(--muted)">${name}</text>`;
}

function keptPicture(cell, {weight, held, input, data: word, place}) {
  const wrong = weight !== held, spiking = data.kind === "spiking", value = spiking ? ["off", "on"][held] : held ? "+1" : "−1";
  const out = (x, y, what, text) => svgText(x, y, `${what} <tspan font-size="17" font-weight="700">${text}</tspan>`, wrong ? 'style="fill:var(--orange)"' : "") + (wrong ? svgText(158, y - 17, "read wrong:", 'style="fill:var(--orange)"') : "");
  const reads = (y) => out(158, y, spiking ? "reads" : "weight", value);
  const after = input === null ? "" : svgText(158, 126, `XNOR, input ${input}: <tspan font-weight="700">${Number(held === input)}</tspan>`, 'style="fill:var(--purple)"');
  if (cell === "code") return codePicture(word, place, wrong) + reads(108) + after;
  const single = cell === "1t1r", crossed = !single && input === 0, [a, b] = crossed ? [120, 60] : [60, 120];
  const wires = `<path d="M60 72 L${a} 90 M120 72 L${b} 90" stroke="var(--${single ? "line" : "purple"})" stroke-width="2.5" fill="none"/>`;
  const right = single ? `<line x1="120" y1="46" x2="120" y2="72" stroke="var(--line)" stroke-width="2"/><rect x="86" y="24" width="68" height="22" rx="4" fill="none" stroke="var(--orange)" stroke-dasharray="4 3"/>` + svgText(120, 39, "reference", middle) : device(120, !weight, "BLb", 1);
  const amplifier = wires + box(36, 90, 108, 26, "sense amplifier", wrong);
  if (single) return device(60, weight, "BL", -1) + right + amplifier + reads(108) + after;
  // The pair's amplifier gives XNOR at once.
  const gives = input === null ? reads(109) : out(158, 109, "XNOR", String(Number(held === input))), says = input === null ? "" : `input ${input}: ${crossed ? "crossed" : "straight"}`;
  return device(60, weight, "BL", -1) + right + amplifier + gives + `<text x="158" y="76" font-size="12.5" fill="var(--purple)">${says}</text>`;
}

// Four bits and the four that check them, a device each, and the decoder.
function codePicture(word, place, wrong) {
  const columns = data.device.code_columns, check = word.map((_, i) => columns.reduce((sum, c, j) => sum ^ (c >>> i & 1 & word[j]), 0));
  const cells = [...word, ...check].map((bit, i) => {
    const x = 8 + 31 * i;
    return `<rect x="${x}" y="20" width="27" height="20" rx="4" fill="var(--${bit ? "on" : "off"})" stroke="var(--${i === place ? "ink" : "line"})" stroke-width="${i === place ? 3 : 1}"/>`
      + `<text x="${x + 13.5}" y="34" text-anchor="middle" font-size="10" font-weight="700" fill="var(--${bit ? "back" : "ink"})">${bit ? "LRS" : "HRS"}</text><line x1="${x + 13.5}" x2="${x + 13.5}" y1="40" y2="52" stroke="var(--line)" stroke-width="2"/>`;
  });
  return svgText(8, 12, `${word.length} bits`) + svgText(132, 12, `${check.length} check bits`) + cells.join("") + box(8, 52, 244, 22, "8 sense amplifiers, one reference", false)
    + '<line x1="90" x2="90" y1="74" y2="90" stroke="var(--line)" stroke-width="2"/>' + box(36, 90, 108, 26, "decoder", wrong);
}

// Resistances of the two states, as densities of ln R.
function showDensities() {
  const {distance} = data.device, {sigma} = state, low = -2.4, high = distance + 2.4, x = (v) => 8 + 304 * (v - low) / (high - low);
  const curve = (mean) => {
    const points = Array.from({length: 121}, (_, k) => low + (high - low) * k / 120);
    return points.map((v) => `${x(v).toFixed(1)},${(56 - 19 / Math.max(sigma, 0.38) * Math.exp(-((v - mean) ** 2) / (2 * sigma * sigma))).toFixed(1)}`).join(" ");
  };
  const hill = (mean, name, text) => `<polygon points="${x(low)},56 ${curve(mean)} ${x(high)},56" fill="var(--${name})" fill-opacity=".3" stroke="var(--${name})" stroke-width="2"/>`
    + `<text x="${x(mean)}" y="70" text-anchor="middle" font-size="12" fill="var(--ink)">${text}</text>`;
  $("densities").innerHTML = hill(0, "blue", "low (LRS)") + hill(distance, "green", "high (HRS)") + `<line x1="8" x2="312" y1="56" y2="56" stroke="var(--line)"/>`
    + (state.cell === "2t2r" ? "" : `<line x1="${x(distance / 2)}" x2="${x(distance / 2)}" y1="4" y2="56" stroke="var(--orange)" stroke-width="2" stroke-dasharray="4 3"/><text x="${x(distance / 2) + 5}" y="13" font-size="11.5" fill="var(--orange)">reference</text>`);
}
