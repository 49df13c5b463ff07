// The engine: the WebAssembly module of the emitted Verilog, its memories, and what comes out of it.

// Bits of an image as the words of its beats: bit i is bit i, the lowest first, each beat from a word on.
function packBeats(bits, module) {
  const perBeat = Math.ceil(module.beat_bits / 32), words = new Uint32Array(module.beats * perBeat);
  for (let i = 0; i < bits.length; i++) {
    if (!bits[i]) continue;
    const beat = Math.floor(i / module.beat_bits), at = i % module.beat_bits;
    words[beat * perBeat + (at >>> 5)] |= 1 << (at & 31);
  }
  return words;
}

// `width` bits of words, from bit `at` on; with `signed` in two's complement.
function field(words, base, at, width, signed = false) {
  let value = 0;
  for (let taken = 0; taken < width;) {
    const bit = at + taken, room = Math.min(32 - (bit & 31), width - taken);
    const part = words[base + (bit >>> 5)] >>> (bit & 31);
    value += (room === 32 ? part : part & (2 ** room - 1)) * 2 ** taken;
    taken += room;
  }
  return signed && value >= 2 ** (width - 1) ? value - 2 ** width : value;
}

class Engine {
  static async load(data, blobs) {
    const {instance} = await WebAssembly.instantiate(blobs.module, {
      // Nothing of the system is used; a C++ library asks for it.
      wasi_snapshot_preview1: new Proxy({}, {get: () => () => 0}),
    });
    instance.exports._initialize();
    return new Engine(data, blobs, instance.exports);
  }

  constructor(data, blobs, code) {
    this.data = data;
    this.module = data.module;
    this.code = code;
    this.memories = new Map(this.module.memories.map(([name, bits], k) => [name, {k, words: Math.ceil(bits / 32)}]));
    this.signals = new Map(this.module.signals.map(([name, bits], k) => [name, {k, bits}]));
    this.weights = data.layers.map((layer, k) => blobs[`weights${k}`]);
    this.flips = data.layers.map(() => new Set());
    data.layers.forEach((layer, k) => this.program(layer, k));
    for (const [name, words] of Object.entries(data.contents)) this.memory(name).set(blobs[words]);
    code.reset();
  }

  get words() {
    // The buffer is another one after memory has grown.
    return new Uint32Array(this.code.memory.buffer);
  }

  memory(name) {
    return this.words.subarray(this.code.memory_at(this.memories.get(name).k) >>> 2);
  }

  weight(layer, index) {
    return this.weights[layer][index >>> 3] >>> (index & 7) & 1;
  }

  // Where a synapse lies: name of the macro, word line, column.
  place(k, index) {
    const y = this.data.layers[k];
    if (y.down) {
      const row = Math.floor(index / y.columns), column = index % y.columns;
      const across = Math.floor(column / y.per_macro), down = Math.floor(row / y.rows);
      return [`layer${k} tile_d${down}_a${across} macro`, row % y.rows, column % y.per_macro];
    }
    const neuron = Math.floor(index / y.n_in), input = index % y.n_in;
    const column = input % y.cols, part = Math.floor(input / y.cols);
    const across = part % y.across, slice = Math.floor(part / y.across);
    const group = neuron % y.groups, pass = Math.floor(neuron / y.groups);
    return [`layer${k} array tile_v${group}_h${across} macro`, pass * y.slices + slice, column];
  }

  toggle(k, index) {
    const [name, row, column] = this.place(k, index), {k: number, words} = this.memories.get(name);
    this.words[(this.code.memory_at(number) >>> 2) + row * words + (column >>> 5)] ^= 1 << (column & 31);
  }

  program(layer, k) {
    const rows = layer.down ? layer.inputs : layer.n_out, size = layer.down ? layer.columns : layer.n_in;
    const run = layer.down ? layer.per_macro : layer.cols, words = this.words;
    for (let start = 0; start < rows * size; start += size) {
      for (let first = 0; first < size; first += run) {
        const [name, row] = this.place(k, start + first), {k: number, words: perRow} = this.memories.get(name);
        const base = (this.code.memory_at(number) >>> 2) + row * perRow;
        for (let c = 0; c < run && first + c < size; c++) {
          words[base + (c >>> 5)] |= this.weight(k, start + first + c) << (c & 31);
        }
      }
    }
  }

  // Let exactly these synapses of each layer be wrong.
  setFlips(flips) {
    flips.forEach((wanted, k) => {
      for (const index of this.flips[k]) if (!wanted.has(index)) this.toggle(k, index);
      for (const index of wanted) if (!this.flips[k].has(index)) this.toggle(k, index);
      this.flips[k] = wanted;
    });
  }

  // Put images, arrays of words, before the engine.
  feed(frames, record) {
    // What was left of images before is forgotten.
    this.code.reset();
    const at = this.code.frames(frames.length) >>> 2, words = this.words;
    frames.forEach((frame, k) => words.set(frame, at + k * frame.length));
    this.code.begin(frames.length, record ? 1 : 0);
  }

  result(k) {
    const words = this.words, base = (this.code.results() >>> 2) + k * this.module.result_words;
    const r = this.module.result, cycles = words[(this.code.result_times() >>> 2) + k];
    if (this.data.kind === "spiking") {
      const head = r.winner + r.flags.width, counts = head + r.tick + r.events.width * r.events.layers;
      const scores = Array.from({length: r.counts}, (_, j) => field(words, base, counts + j * r.count_width, r.count_width, true));
      const undecided = field(words, base, r.winner + r.flags.undecided, 1) === 1;
      const events = Array.from({length: r.events.layers}, (_, j) => field(words, base, head + r.tick + j * r.events.width, r.events.width));
      return {class: field(words, base, 0, r.winner), scores, cycles, undecided, tick: field(words, base, head, r.tick), events};
    }
    const scores = Array.from({length: r.scores}, (_, j) => field(words, base, r.class_width + j * r.score_width, r.score_width, true));
    return {class: field(words, base, 0, r.class_width), scores, cycles};
  }

  // Answer one image; what the layers hand on comes with it.
  answer(frame) {
    this.feed([frame], true);
    for (let left = 1e6; !this.code.advance(10000); left -= 10000) if (left < 0) throw new Error("the engine does not answer");
    return {...this.result(0), log: this.log()};
  }

  // Transfers between layers so far: {unit, cycle, bits}.
  log() {
    const words = this.words, base = this.code.log_at() >>> 2, size = this.code.log_size(), entries = [];
    for (let at = 0; at < size;) {
      const [unit, bits] = this.module.taps[words[base + at]], count = Math.ceil(bits / 32);
      entries.push({unit, cycle: words[base + at + 1], bits, words: words.slice(base + at + 2, base + at + 2 + count)});
      at += 2 + count;
    }
    return entries;
  }

  // What a register of the design holds now; null if the design has none of that name.
  signal(name) {
    const found = this.signals.get(name);
    if (!found) return null;
    const at = this.code.signal_at(found.k) >>> 2;
    return {bits: found.bits, words: this.words.slice(at, at + Math.ceil(found.bits / 32))};
  }
}
