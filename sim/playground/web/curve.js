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
  showCountNote();
}

async function measure(rate, count, report) {
  stopSteps();
  engine.setFlips(allFlips(rate));
  showWrong();
  showWeights();
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

// How sure the chosen number of images makes the accuracy.
function showCountNote() {
  const chosen = Number($("count").value), {count} = data.images, near = knownCurve()?.clean ?? 0.9, sure = (share, n) => `± ${(100 * standardError(share, n)).toPrecision(2)}`;
  const all = chosen < count ? `; all ${count.toLocaleString("en")} would give ${sure(near, count)} and ${sure(0.5, count)}, and take ${Number((count / chosen).toPrecision(2))} times as long` : "";
  $("count-note").textContent = blobs.labels ? `${chosen.toLocaleString("en")} images give the accuracy to ${sure(near, chosen)} percentage points where it is ${(100 * near).toFixed(1)}\u00a0%, to ${sure(0.5, chosen)} at worst, where it is 50\u00a0%${all}.` : "";
}

function forgetPoints() {
  const kept = runs.points.filter((p) => p.draw === drawOf(p.rate));
  if (kept.length < runs.points.length) $("progress").textContent = "";
  runs.points = kept;
}

// While images run through the engine nothing else may use it, or the wrong bits would be others.
function lock(busy) {
  runs.busy = busy;
  $("stop").hidden = !busy;
  for (const id of ["run", "sweep", "count", "differ"]) $(id).disabled = busy || !blobs.labels;
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
    if (result.done) $("progress").textContent = `${result.done.toLocaleString("en")} images at ${rateText(rate)}: ${(100 * result.right / result.done).toFixed(2)} % right (± ${(100 * standardError(result.right / result.done, result.done)).toFixed(2)} percentage points); ${Math.round(result.perSecond).toLocaleString("en")} images a second in this browser.${same}`;
    showCurve();
    if (runs.stop) break;
  }
  if (rates.length > 1 && !runs.stop) {
    const most = toleratedRate(runsCurve());
    $("progress").textContent += most === null ? " At none of the rates it lost a point of accuracy." : ` By these runs, one draw each, it tolerates about ${percent(most)} wrong bits.`;
  }
  lock(false);
  refresh();
}

// The three ways on the curve: at their rates, as high as the accuracy to expect there. The labels hang below, clear of each other's lines.
function pins(x, y, {left, right, bottom}) {
  const shown = WAYS.map(([cell, name]) => ({cell, name, rate: state.rates?.[cell] ?? 0})).map((pin) => ({...pin, share: expectedShare(pin.rate)})).filter((pin) => pin.share !== null && pin.rate);
  for (const pin of shown) [pin.x, pin.y] = [x(pin.rate), y(pin.share)];
  const leftwards = Math.max(...shown.map((pin) => pin.x)) > right - PIN_WIDTH, row = 15;
  shown.sort((a, b) => leftwards ? a.rate - b.rate : b.rate - a.rate);
  shown.forEach((pin, k) => { pin.label = Math.max(pin.y + 20, k ? shown[k - 1].label + row : 0); });
  const excess = Math.max(0, (shown.at(-1)?.label ?? 0) - bottom + 6);
  return shown.map((pin) => {
    const label = pin.label - excess, side = leftwards ? -1 : 1, chosen = state.linked && pin.cell === state.cell;
    return `<line x1="${pin.x}" x2="${pin.x}" y1="${pin.y}" y2="${label - 4}" stroke="var(--ink)" stroke-opacity=".5"/><text x="${pin.x + 8 * side}" y="${label}" text-anchor="${leftwards ? "end" : "start"}" style="fill:var(--ink);font-weight:${chosen ? 700 : 400}">${pin.rate < RATE_LOW ? "‹ " : ""}${pin.name}</text>`
      + `<circle cx="${pin.x}" cy="${pin.y}" r="4.5" fill="var(--${WAY_COLOURS[pin.cell]})" stroke="var(--back)" stroke-width="1.5"><title>${pin.name}: ${rateText(pin.rate)} wrong, ${(100 * pin.share).toFixed(1)} % right</title></circle>`;
  });
}

const PIN_WIDTH = 84;

function showCurve() {
  const stored = data.sweep, low = RATE_LOW, high = RATE_HIGH, left = 42, right = 350, top = 24, bottom = 262;
  const shares = [...runs.points.map((p) => p.share), ...(stored ? stored.low : [0])];
  const floor = Math.max(0, Math.floor(10 * (Math.min(...shares, 0.9) - 0.02)) / 10);
  const x = (rate) => rate === 0 ? left + 10 : left + 34 + (right - left - 34) * Math.log(Math.min(high, Math.max(low, rate)) / low) / Math.log(high / low), y = (share) => bottom - (bottom - top) * (share - floor) / (1 - floor);
  const parts = [`<text x="0" y="11">test images answered right</text>`];
  for (let share = floor; share < 1.001; share += floor > 0.75 ? 0.05 : floor > 0.4 ? 0.1 : 0.2) {
    parts.push(`<line x1="${left}" x2="${right}" y1="${y(share)}" y2="${y(share)}" stroke="var(--edge)"/><text x="${left - 6}" y="${y(share) + 4}" text-anchor="end">${Math.round(100 * share)} %</text>`);
  }
  for (const [rate, text] of [[0, "none"], [1e-4, "0.01 %"], [1e-3, "0.1 %"], [1e-2, "1 %"], [0.1, "10 %"]]) {
    parts.push(`<line x1="${x(rate)}" x2="${x(rate)}" y1="${bottom}" y2="${bottom + 5}" stroke="var(--line)"/><text x="${x(rate)}" y="${bottom + 18}" text-anchor="middle">${text}</text>`);
  }
  parts.push(`<text x="${right}" y="${bottom + 36}" text-anchor="end">bit error rate: bits read wrong</text>`);
  const most = toleratedRate(), now = x(state.rate);
  if (most !== null) parts.push(`<line x1="${x(most)}" x2="${x(most)}" y1="${top}" y2="${bottom}" stroke="var(--orange)" stroke-width="2" stroke-dasharray="7 4"/>`);
  if (stored) {
    const there = stored.rates.map((rate, k) => k).filter((k) => stored.rates[k] >= low), line = (values) => there.map((k) => `${x(stored.rates[k]).toFixed(1)},${y(values[k]).toFixed(1)}`);
    parts.push(`<polygon points="${[...line(stored.high), ...line(stored.low).reverse()].join(" ")}" fill="var(--blue)" fill-opacity=".2"/><polyline points="${line(stored.mean).join(" ")}" fill="none" stroke="var(--blue)" stroke-width="2.5"/>`);
  }
  parts.push(`<line x1="${now}" x2="${now}" y1="${top}" y2="${bottom}" stroke="var(--purple)" stroke-width="1.5" stroke-dasharray="3 4"/>`, ...pins(x, y, {left, right, bottom}));
  for (const p of runs.points) {
    const [px, py] = [x(p.rate), y(p.share)], spread = standardError(p.share, p.count);
    parts.push(`<line x1="${px}" x2="${px}" y1="${y(Math.min(1, p.share + spread))}" y2="${y(Math.max(floor, p.share - spread))}" stroke="var(--orange)" stroke-width="2"/>`);
    parts.push(`<path d="M${px} ${py - 6} l6 6 l-6 6 l-6 -6 z" fill="var(--orange)" stroke="var(--back)" stroke-width="1.5"><title>${rateText(p.rate)}: ${(100 * p.share).toFixed(2)} % of ${p.count} images</title></path>`);
  }
  $("accuracy").innerHTML = parts.join("");
  $("accuracy").setAttribute("aria-label", "Accuracy against bit error rate. " + runs.points.map((p) => `${rateText(p.rate)}: ${(100 * p.share).toFixed(1)} %`).join(", "));
}
