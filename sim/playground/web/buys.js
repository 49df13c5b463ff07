// What the pair buys: the three ways to keep a bit, side by side, against the rate that the network tolerates.

const WAYS = [["2t2r", "2T2R"], ["code", "1T1R + code"], ["1t1r", "1T1R"]];
const spreadText = (sigma) => `×\u00a0${Math.exp(sigma).toFixed(2)}`;
const bitCount = () => data.layers.reduce((sum, _, k) => sum + layerSize(k)[0] * layerSize(k)[1], 0);
const listed = (names) => names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

// Accuracy against rate: of the sweep that comes with the network, or of runs here at enough rates; null if there is none.
function knownCurve() {
  return data.sweep ?? runsCurve();
}

function runsCurve() {
  const points = runs.points.filter((p) => p.rate > 0).sort((a, b) => a.rate - b.rate);
  if (points.length < 6) return null;
  const clean = runs.points.find((p) => p.rate === 0)?.share ?? Math.max(...points.map((p) => p.share));
  return {rates: points.map((p) => p.rate), mean: points.map((p) => p.share), clean, images: points[0].count, trials: 1};
}

// The rate at which the network loses one point of accuracy; null if that is not known.
function toleratedRate(known = knownCurve()) {
  const k = known ? known.mean.findIndex((mean) => mean < known.clean - 0.01) : -1;
  if (k < 1) return null;
  const {rates, mean, clean} = known, part = (mean[k - 1] - clean + 0.01) / (mean[k - 1] - mean[k]);
  return Number((rates[k - 1] * (rates[k] / rates[k - 1]) ** part).toPrecision(2));
}

// Accuracy to expect at a rate; null if that is not known.
function expectedShare(rate) {
  const known = knownCurve();
  if (!known) return null;
  const {rates, mean} = known, k = rates.findIndex((r) => r >= rate);
  if (k < 1) return k ? mean.at(-1) : mean[0];
  return mean[k - 1] + (mean[k] - mean[k - 1]) * Math.log(rate / rates[k - 1]) / Math.log(rates[k] / rates[k - 1]);
}

function toleratesText() {
  const rate = toleratedRate(), known = knownCurve();
  if (!known && !blobs.labels) return "These images have no labels, so the page cannot count how many are answered right.";
  if (rate === null) return known ? "It loses less than one point of accuracy at every rate that was measured." : "No sweep comes with this network: run it below at 10 rates.";
  const bits = bitCount(), clean = (100 * known.clean).toFixed(1), {count} = data.images, images = known.images.toLocaleString("en");
  const which = known.images < count ? `the first ${images} of ${count.toLocaleString("en")} test images` : `${images} test images`;
  return `It tolerates about ${percent(rate)} wrong bits: with ${Math.round(rate * bits).toLocaleString("en")} of ${bits.toLocaleString("en")} wrong, its accuracy falls by one point, from ${clean} to ${(100 * known.clean - 1).toFixed(1)}\u00a0% (${which}).`;
}

// The widest spread at which a way to keep a bit has no more than `most` wrong.
function widestSpread(cell, most) {
  let low = 0.02, high = 4;
  for (let k = 0; k < 40; k++) {
    const mid = (low + high) / 2;
    if (cellRates(data.device, mid, state.vdd)[cell] <= most) low = mid;
    else high = mid;
  }
  return low;
}

const SIGMA_LOW = 0.2, SIGMA_HIGH = 1.5;

// A spread at which only 1T1R has more wrong bits than the network tolerates; null if there is none.
function differingSpread(most) {
  if (most === null) return null;
  const [pair, code, single] = WAYS.map(([cell]) => widestSpread(cell, most)), sigma = Number(((single + Math.min(pair, code)) / 2).toFixed(2));
  return pair > single && code > single && sigma >= SIGMA_LOW && sigma <= SIGMA_HIGH ? sigma : null;
}

// The rates beside the choice of a cell, with what the network says of them.
function showVerdicts(rates) {
  const most = toleratedRate();
  for (const [cell] of WAYS) {
    const over = most !== null && rates[cell] > most;
    $(`rate-${cell}`).textContent = rateText(rates[cell]) + (most === null ? "" : over ? " ✗" : " ✓");
    $(`rate-${cell}`).className = most === null ? "" : over ? "bad" : "good";
  }
  const byHand = state.linked ? "" : `These are the rates of the spread, not the ${rateText(state.rate)} set by hand that section 2 runs now. `;
  $("verdicts").textContent = byHand + (most === null ? "" : `✓ at most, ✗ more than the ${percent(most)} that this network tolerates (section 4). The rates are those of an assumed device, not of a measured one.`);
}

function showBuys(rates) {
  const most = toleratedRate(), limit = (cell) => spreadText(widestSpread(cell, most));
  $("stands").textContent = toleratesText();
  const cell = (text, kind = "") => element("td", {class: kind}, text), head = (text) => element("th", {scope: "col"}, text);
  const rows = WAYS.map(([way, name]) => {
    const share = expectedShare(rates[way]), over = most === null ? "" : rates[way] > most ? "bad" : "good";
    return element("tr", {class: way === state.cell ? "chosen" : ""}, element("th", {scope: "row"}, name), cell(rateText(rates[way]) + {bad: " ✗", good: " ✓", "": ""}[over], over),
      cell(share === null ? "–" : `${(100 * share).toFixed(1)}\u00a0%`), cell(most === null ? "–" : limit(way)));
  });
  $("ways").replaceChildren(element("caption", {}, `At a spread of ${spreadText(state.sigma)} and ${state.vdd.toFixed(2)} V${data.sweep ? "; images right by the stored sweep" : ""}${state.linked ? "" : "; not the rate set by hand"}`), element("tr", {}, element("td"), head("bits read wrong"), head("images right"), head("tolerates a spread up to")), ...rows);
  $("buys").textContent = buysText(rates, most, limit);
  const times = rates["1t1r"] / rates["2t2r"], said = `(${rateText(rates["2t2r"])} against ${rateText(rates["1t1r"])})`;
  $("assumed").textContent = `2T2R reads a bit wrong ${times >= 1 ? `${Number(times.toPrecision(2)).toLocaleString("en")} times less` : "more"} often than 1T1R ${said}: rates of an assumed device (${data.device.name} in oxnor), by a formula for normally distributed ln R.`;
  const sigma = differingSpread(most);
  $("differ").hidden = sigma === null;
  if (sigma !== null) $("differ").textContent = `Set the spread to ${spreadText(sigma)}, where only 1T1R fails`;
  $("differ").disabled = state.linked && sigma === state.sigma;
  $("differ").onclick = () => { state.sigma = sigma; follow(); };
  showSpreads(rates, most);
}

// What follows from the three rates.
function buysText(rates, most, limit) {
  if (most === null) return "";
  const over = WAYS.filter(([cell]) => rates[cell] > most).map(([, name]) => name), under = WAYS.filter(([cell]) => rates[cell] <= most).map(([, name]) => name);
  const room = `2T2R lets the spread grow to ${limit("2t2r")}, 1T1R only to ${limit("1t1r")}; the code gets as far as ${limit("code")}, but needs a decoder beside every macro.`;
  if (!over.length) return `Here all three read at most ${percent(most)} of the bits wrong: the network works with each. What the pair buys is room: ${room}`;
  if (!under.length) return `Here all three read more than ${percent(most)} of the bits wrong: the network loses accuracy with each. ${room}`;
  if (over.includes("2T2R")) return `Here ${listed(over)} ${over.length > 1 ? "read" : "reads"} more than ${percent(most)} of the bits wrong: at this supply the pair's amplifiers differ too much from each other.`;
  return `Here ${listed(over)} ${over.length > 1 ? "read" : "reads"} more than ${percent(most)} of the bits wrong, and the network loses accuracy; with ${listed(under)} it works. ${room}`;
}

// Bit error rates against the spread: where a line crosses what the network tolerates, its way to keep a bit fails.
function showSpreads(rates, most) {
  const left = 56, right = 350, top = 22, bottom = 186, low = RATE_LOW, high = RATE_HIGH, steps = 60;
  const x = (sigma) => left + (right - left) * (sigma - SIGMA_LOW) / (SIGMA_HIGH - SIGMA_LOW), y = (rate) => bottom - (bottom - top) * Math.log(Math.min(high, Math.max(low, rate)) / low) / Math.log(high / low);
  const parts = [`<text x="0" y="11">bits read wrong</text><text x="${right}" y="${bottom + 36}" text-anchor="end">spread of resistances</text>`];
  for (const rate of [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]) parts.push(`<line x1="${left}" x2="${right}" y1="${y(rate)}" y2="${y(rate)}" stroke="var(--edge)"/><text x="${left - 5}" y="${y(rate) + 4}" text-anchor="end">${percent(rate)}</text>`);
  for (const factor of [1.5, 2, 3, 4]) parts.push(`<line x1="${x(Math.log(factor))}" x2="${x(Math.log(factor))}" y1="${bottom}" y2="${bottom + 5}" stroke="var(--line)"/><text x="${x(Math.log(factor))}" y="${bottom + 18}" text-anchor="middle">× ${factor}</text>`);
  if (most !== null) {
    parts.push(`<rect x="${left}" y="${top}" width="${right - left}" height="${y(most) - top}" fill="var(--orange-fill)" opacity=".6"/><line x1="${left}" x2="${right}" y1="${y(most)}" y2="${y(most)}" stroke="var(--orange)" stroke-width="2" stroke-dasharray="7 4"/>`
      + `<text x="${right}" y="11" text-anchor="end" style="fill:var(--ink)">shaded: more than the network tolerates</text>`);
  }
  parts.push(`<line x1="${x(state.sigma)}" x2="${x(state.sigma)}" y1="${top}" y2="${bottom}" stroke="var(--purple)" stroke-width="1.5" stroke-dasharray="3 4"/>`);
  for (const [cell, name] of [...WAYS].reverse()) {
    const from = Math.min(SIGMA_HIGH, Math.max(SIGMA_LOW, widestSpread(cell, low))), color = `var(--${WAY_COLOURS[cell]})`;
    const line = Array.from({length: steps + 1}, (_, k) => from + (SIGMA_HIGH - from) * k / steps).map((sigma) => [sigma, cellRates(data.device, sigma, state.vdd)[cell]]);
    parts.push(`<polyline points="${line.map(([sigma, rate]) => `${x(sigma).toFixed(1)},${y(rate).toFixed(1)}`).join(" ")}" fill="none" stroke="${color}" stroke-width="${cell === "2t2r" ? 3 : 2}"${cell === "code" ? ' stroke-dasharray="6 3"' : ""}/>`
      + `<circle cx="${x(state.sigma)}" cy="${y(rates[cell])}" r="${cell === state.cell ? 5 : 3.5}" fill="${color}" stroke="var(--back)"><title>${name}: ${rateText(rates[cell])}</title></circle>`);
  }
  $("spreads").innerHTML = parts.join("");
  $("spreads").setAttribute("aria-label", `Bit error rate against the spread of resistances. ${WAYS.map(([cell, name]) => `${name}: ${rateText(rates[cell])}${most === null ? "" : `, tolerated up to ${spreadText(widestSpread(cell, most))}`}`).join("; ")}`);
}

const WAY_COLOURS = {"2t2r": "blue", code: "green", "1t1r": "ink"};
