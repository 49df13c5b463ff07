// Accuracy against bit error rate: test images through the engine, beside the stored sweep of the golden model.

const runs = {points: [], stop: false, busy: false};
const SWEEP_RATES = [0, 1e-4, 1e-3, 3e-3, 1e-2, 2e-2, 3e-2, 5e-2, 0.1, 0.2];
const CHUNK_MS = 40;
// Images of the stored sweeps, and clock cycles of an image up to which they do not take long.
const SWEEP_IMAGES = 2000, QUICK_CYCLES = 1000;

// As many as the stored sweep has, where they are quick, so that both show the same images.
function chooseCount() {
  const wanted = state.clean.cycles > QUICK_CYCLES ? 100 : SWEEP_IMAGES, there = [...$("count").options].map((option) => Number(option.value));
  $("count").value = Math.max(...there.filter((n) => n <= wanted), there[0]);
}

async function measure(rate, count, report) {
  stopSteps();
  engine.setFlips(allFlips(rate));
  let right = 0, golden = 0, done = 0, size = 8, spent = 0;
  while (done < count && !runs.stop) {
    const n = Math.min(size, count - done), frames = Array.from({length: n}, (_, i) => imageFrame(done + i)), began = performance.now();
    engine.feed(frames, false);
    engine.code.advance(0xffffffff);
    const took = performance.now() - began;
    spent += took;
    for (let i = 0; i < n; i++) {
      const result = engine.result(i);
      right += blobs.labels ? result.class === blobs.labels[done + i] : 0;
      golden += result.class === blobs.golden[done + i];
    }
    done += n;
    size = Math.max(1, Math.min(2000, Math.round(size * Math.min(4, CHUNK_MS / Math.max(took, 1)))));
    report({rate, done, count, right, golden, perSecond: 1000 * done / spent});
    await new Promise((resume) => setTimeout(resume));
  }
  return {rate, done, right, golden, perSecond: 1000 * done / spent};
}

const standardError = (share, count) => Math.sqrt(share * (1 - share) / count);

// Which wrong bits a point stands for: those of another draw are not on its curve.
const drawOf = (rate) => rate || state.extra.size ? [state.seed, state.trial, ...[...state.extra.keys()].sort()].join(" ") : "";

function forgetPoints() {
  const kept = runs.points.filter((p) => p.draw === drawOf(p.rate));
  if (kept.length < runs.points.length) $("progress").textContent = "";
  runs.points = kept;
}

// While images run through the engine nothing else may use it, or the wrong bits would be others.
function lock(busy) {
  runs.busy = busy;
  $("stop").hidden = !busy;
  for (const id of ["run", "sweep", "count"]) $(id).disabled = busy || !blobs.labels;
  for (const card of document.querySelectorAll("section.card:not(.curve)")) card.inert = busy;
}

async function runRates(rates) {
  if (runs.busy) return;
  runs.stop = false;
  lock(true);
  const count = Number($("count").value);
  for (const rate of rates) {
    const result = await measure(rate, count, (r) => {
      $("progress").textContent = `${r.done.toLocaleString("en")} of ${r.count.toLocaleString("en")} images at ${rateText(r.rate)}: ${(100 * r.right / r.done).toFixed(2)} % right, ${Math.round(r.perSecond).toLocaleString("en")} images a second`;
    });
    if (result.done === count && blobs.labels) {
      runs.points = runs.points.filter((p) => p.rate !== rate);
      runs.points.push({rate, share: result.right / result.done, count: result.done, draw: drawOf(rate)});
    }
    const same = rate === 0 && !state.extra.size ? ` ${result.golden.toLocaleString("en")} of them have the class of the reference model.` : "";
    if (result.done) $("progress").textContent = `${result.done.toLocaleString("en")} images at ${rateText(rate)}: ${(100 * result.right / result.done).toFixed(2)} % right (± ${(100 * standardError(result.right / result.done, result.done)).toFixed(2)} %); ${Math.round(result.perSecond).toLocaleString("en")} images a second in this browser.${same}`;
    showCurve();
    if (runs.stop) break;
  }
  lock(false);
  refresh();
}

// The rate at which the network loses one point of accuracy, by the stored sweep; null if there is none.
function standsRate() {
  const stored = data.sweep;
  if (!stored) return null;
  const clean = Math.max(...stored.mean), k = stored.mean.findIndex((mean) => mean < clean - 0.01);
  if (k < 1) return null;
  const [r0, r1] = [stored.rates[k - 1], stored.rates[k]], part = (stored.mean[k - 1] - clean + 0.01) / (stored.mean[k - 1] - stored.mean[k]);
  return Number((r0 * (r1 / r0) ** part).toPrecision(2));
}

function standsText() {
  const rate = standsRate();
  if (rate === null) return "No sweep comes with this network: run one here.";
  const bits = data.layers.reduce((sum, _, k) => sum + layerSize(k)[0] * layerSize(k)[1], 0), clean = (100 * Math.max(...data.sweep.mean)).toFixed(1);
  return `It tolerates about ${percent(rate)} wrong bits: with ${Math.round(rate * bits).toLocaleString("en")} of ${bits.toLocaleString("en")} wrong, its accuracy falls by one point, from ${clean} to ${(clean - 1).toFixed(1)}\u00a0% (${data.sweep.images.toLocaleString("en")} test images).`;
}

const WAYS = [["2t2r", "2T2R"], ["code", "1T1R + code"], ["1t1r", "1T1R"]];

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

// What a pair buys, at the spread and the supply of the sliders.
function showBuys(rates) {
  const most = standsRate(), said = (cell) => rateText(Number(rates[cell].toPrecision(2))), times = rates["1t1r"] / rates["2t2r"];
  const compared = times >= 1 ? `${Number(times.toPrecision(2)).toLocaleString("en")} times less often than 1T1R` : "more often than 1T1R, for its amplifier is too uncertain";
  const spreads = WAYS.map(([cell, name]) => `× ${Math.exp(widestSpread(cell, most)).toFixed(2)} with ${name}`);
  $("buys").textContent = `With the spread and the supply above, 2T2R reads a bit wrong ${compared} (${said("2t2r")} against ${said("1t1r")}).`
    + (most === null ? "" : ` The network tolerates a spread of up to ${spreads.slice(0, 2).join(", ")} and ${spreads[2]}.`);
}

function showCurve() {
  const stored = data.sweep, low = 1e-5, high = 0.3, left = 42, right = 350, top = 10, bottom = 252;
  const shares = [...runs.points.map((p) => p.share), ...(stored ? stored.low : [0])];
  const floor = Math.max(0, Math.floor(10 * (Math.min(...shares, 0.9) - 0.02)) / 10);
  const x = (rate) => rate === 0 ? left + 10 : left + 34 + (right - left - 34) * Math.log(rate / low) / Math.log(high / low), y = (share) => bottom - (bottom - top) * (share - floor) / (1 - floor);
  const parts = [];
  for (let share = floor; share < 1.001; share += floor > 0.75 ? 0.05 : floor > 0.4 ? 0.1 : 0.2) {
    parts.push(`<line x1="${left}" x2="${right}" y1="${y(share)}" y2="${y(share)}" stroke="var(--edge)"/><text x="${left - 6}" y="${y(share) + 4}" text-anchor="end">${Math.round(100 * share)} %</text>`);
  }
  for (const [rate, text] of [[0, "none"], [1e-4, "0.01 %"], [1e-3, "0.1 %"], [1e-2, "1 %"], [0.1, "10 %"]]) {
    parts.push(`<line x1="${x(rate)}" x2="${x(rate)}" y1="${bottom}" y2="${bottom + 5}" stroke="var(--line)"/><text x="${x(rate)}" y="${bottom + 18}" text-anchor="middle">${text}</text>`);
  }
  parts.push(`<text x="${(left + right) / 2}" y="${bottom + 38}" text-anchor="middle">bit error rate</text>`);
  if (stored) {
    const there = stored.rates.map((rate, k) => k).filter((k) => stored.rates[k] >= low), line = (values) => there.map((k) => `${x(stored.rates[k]).toFixed(1)},${y(values[k]).toFixed(1)}`);
    parts.push(`<polygon points="${[...line(stored.high), ...line(stored.low).reverse()].join(" ")}" fill="var(--blue)" fill-opacity=".2"/><polyline points="${line(stored.mean).join(" ")}" fill="none" stroke="var(--blue)" stroke-width="2.5"/>`);
  }
  WAYS.forEach(([cell, name], k) => {
    const rate = state.rates?.[cell] ?? 0, at = x(Math.min(high, Math.max(rate, low))), row = bottom - 12 - 17 * k, there = at > (left + right) / 2;
    parts.push(`<line x1="${at}" x2="${at}" y1="${row + 2}" y2="${bottom}" stroke="var(--ink)" stroke-opacity=".5"/><circle cx="${at}" cy="${row - 2}" r="4" fill="var(--${cell === state.cell ? "purple" : "muted"})"/>`
      + `<text x="${at + (there ? -8 : 8)}" y="${row + 2}" text-anchor="${there ? "end" : "start"}" style="fill:var(--ink);font-weight:${cell === state.cell ? 700 : 400}">${rate < low ? "‹ " : ""}${name}</text>`);
  });
  const now = x(Math.max(state.rate, state.rate ? low : 0));
  parts.push(`<line x1="${now}" x2="${now}" y1="${top}" y2="${bottom}" stroke="var(--purple)" stroke-width="1.5" stroke-dasharray="3 4"/>`);
  for (const p of runs.points) {
    const [px, py] = [x(Math.min(high, Math.max(p.rate, p.rate ? low : 0))), y(p.share)];
    const spread = standardError(p.share, p.count);
    parts.push(`<line x1="${px}" x2="${px}" y1="${y(Math.min(1, p.share + spread))}" y2="${y(Math.max(floor, p.share - spread))}" stroke="var(--orange)" stroke-width="2"/>`);
    parts.push(`<path d="M${px} ${py - 6} l6 6 l-6 6 l-6 -6 z" fill="var(--orange)" stroke="var(--back)" stroke-width="1.5"><title>${rateText(p.rate)}: ${(100 * p.share).toFixed(2)} % of ${p.count} images</title></path>`);
  }
  $("accuracy").innerHTML = parts.join("");
  $("accuracy").setAttribute("aria-label", "Accuracy against bit error rate. " + runs.points.map((p) => `${rateText(p.rate)}: ${(100 * p.share).toFixed(1)} %`).join(", "));
}
