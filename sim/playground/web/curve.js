// Accuracy against bit error rate: test images through the engine, beside the stored sweep of the golden model.

const runs = {points: [], stop: false, busy: false};
const SWEEP_RATES = [0, 1e-4, 1e-3, 3e-3, 1e-2, 2e-2, 3e-2, 5e-2, 0.1, 0.2];
const CHUNK_MS = 40;

async function measure(rate, seed, trial, count, report) {
  stopSteps();
  engine.setFlips(rate === state.rate && seed === state.seed && trial === state.trial ? allFlips() : drawnFlips(rate, seed, trial));
  let right = 0, golden = 0, done = 0, cycles = 0, size = 8, spent = 0;
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
      if (i === n - 1) cycles += result.cycles;
    }
    done += n;
    size = Math.max(1, Math.min(2000, Math.round(size * Math.min(4, CHUNK_MS / Math.max(took, 1)))));
    report({rate, done, count, right, golden, cycles, perSecond: 1000 * done / spent});
    await new Promise((resume) => setTimeout(resume));
  }
  return {rate, done, right, golden, cycles, perSecond: 1000 * done / spent};
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
  if (rates.length > 1) runs.points = [];
  lock(true);
  const count = Number($("count").value);
  for (const rate of rates) {
    const result = await measure(rate, state.seed, state.trial, count, (r) => {
      $("progress").textContent = `${r.done.toLocaleString("en")} of ${r.count.toLocaleString("en")} images at ${rateText(r.rate)}: ${(100 * r.right / r.done).toFixed(2)} % right, ${Math.round(r.perSecond).toLocaleString("en")} images a second`;
    });
    if (result.done === count && blobs.labels) runs.points.push({rate, share: result.right / result.done, count: result.done});
    const same = rate === 0 && !state.extra.size ? ` ${result.golden.toLocaleString("en")} of them have the class of the golden model.` : "";
    if (result.done) $("progress").textContent = `${result.done.toLocaleString("en")} images at ${rateText(rate)}: ${(100 * result.right / result.done).toFixed(2)} % right, in ${result.cycles.toLocaleString("en")} clock cycles; ${Math.round(result.perSecond).toLocaleString("en")} images a second in this browser.${same}`;
    showCurve();
    if (runs.stop) break;
  }
  lock(false);
  refresh();
}

// How many errors the network stands, by the stored sweep.
function standsText() {
  const stored = data.sweep;
  if (!stored) return "No sweep of the golden model comes with this network: run one here.";
  const clean = Math.max(...stored.mean), k = stored.mean.findIndex((mean) => mean < clean - 0.01);
  if (k < 1) return "";
  const [r0, r1] = [Math.max(stored.rates[k - 1], 1e-5), stored.rates[k]], part = (stored.mean[k - 1] - clean + 0.01) / (stored.mean[k - 1] - stored.mean[k]);
  const rate = r0 * (r1 / r0) ** part, wrong = Math.round(rate * data.weights);
  return `By the stored sweep it loses one point of ${(100 * clean).toFixed(1)} % at about ${percent(Number(rate.toPrecision(2)))} wrong bits: ${wrong.toLocaleString("en")} of ${data.weights.toLocaleString("en")}.`;
}

function showCurve() {
  const stored = data.sweep, low = 5e-5, high = 0.3, left = 42, right = 350, top = 10, bottom = 252;
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
    parts.push(`<text x="${left + 8}" y="${bottom - 10}" style="fill:var(--blue)">━ golden model: ${stored.trials} draws, ${stored.images.toLocaleString("en")} images</text>`);
  }
  parts.push(`<text x="${left + 8}" y="${bottom - 27}" style="fill:var(--orange)">◆ this page: the RTL, one draw, ± 1 standard error</text>`);
  const now = x(Math.max(state.rate, state.rate ? low : 0));
  parts.push(`<line x1="${now}" x2="${now}" y1="${top}" y2="${bottom}" stroke="var(--purple)" stroke-width="1.5" stroke-dasharray="3 4"/>`);
  for (const p of runs.points) {
    const [px, py] = [x(Math.min(high, Math.max(p.rate, p.rate ? low : 0))), y(p.share)];
    const spread = Math.sqrt(p.share * (1 - p.share) / p.count);
    parts.push(`<line x1="${px}" x2="${px}" y1="${y(Math.min(1, p.share + spread))}" y2="${y(Math.max(floor, p.share - spread))}" stroke="var(--orange)" stroke-width="2"/>`);
    parts.push(`<path d="M${px} ${py - 6} l6 6 l-6 6 l-6 -6 z" fill="var(--orange)" stroke="var(--back)" stroke-width="1.5"><title>${rateText(p.rate)}: ${(100 * p.share).toFixed(2)} % of ${p.count} images</title></path>`);
  }
  $("accuracy").innerHTML = parts.join("");
  $("accuracy").setAttribute("aria-label", "Accuracy against bit error rate. " + runs.points.map((p) => `${rateText(p.rate)}: ${(100 * p.share).toFixed(1)} %`).join(", "));
}
