// The keyed generator of oxnor: Philox 4x64-10 as numpy seeds and draws from it, so that a seed and a trial give the
// same wrong synapses here and in `oxnor simulate`. 64-bit words are pairs of 32-bit halves, [high, low].
//
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011); Kachitvichyanukul and Schmeiser, "Binomial random
// variate generation" (1988); Lemire, "Fast random integer generation in an interval" (2019); Floyd's sampling (1987).

const STREAM_STATIC = 1;

function mul32(a, b) {
  // The 64 bits of a product of two 32-bit numbers.
  const low = (a & 0xffff) * (b & 0xffff);
  const mid1 = (a >>> 16) * (b & 0xffff) + Math.floor(low / 65536);
  const mid2 = (a & 0xffff) * (b >>> 16) + (mid1 % 65536);
  const high = (a >>> 16) * (b >>> 16) + Math.floor(mid1 / 65536) + Math.floor(mid2 / 65536);
  return [high >>> 0, Math.imul(a, b) >>> 0];
}

function mul64(ah, al, bh, bl) {
  // The 128 bits of a product of two 64-bit numbers: high word, then low word.
  const [p0h, p0l] = mul32(al, bl), [p1h, p1l] = mul32(ah, bl), [p2h, p2l] = mul32(al, bh), [p3h, p3l] = mul32(ah, bh);
  const w1 = p0h + p1l + p2l;
  const w2 = p1h + p2h + p3l + Math.floor(w1 / 4294967296);
  const w3 = p3h + Math.floor(w2 / 4294967296);
  return [w3 >>> 0, w2 >>> 0, w1 >>> 0, p0l];
}

const words64 = (value) => {
  const big = BigInt(value);
  return [Number(big >> 32n & 0xffffffffn), Number(big & 0xffffffffn)];
};

class Philox {
  // key (seed, stream) and counter (0, 0, layer, trial); seed and trial may be BigInt.
  constructor(seed, stream, layer, trial) {
    this.key = [words64(seed), words64(stream)];
    this.counter = [[0, 0], [0, 0], words64(layer), words64(trial)];
    this.buffer = [];
    this.half = null;
  }

  block() {
    for (const word of this.counter) {
      word[1] = word[1] + 1 >>> 0;
      if (word[1]) break;
      word[0] = word[0] + 1 >>> 0;
      if (word[0]) break;
    }
    let [c0, c1, c2, c3] = this.counter;
    let [k0, k1] = this.key;
    for (let round = 0; round < 10; round++) {
      if (round) {
        k0 = Philox.raised(k0, 0x9e3779b9, 0x7f4a7c15);
        k1 = Philox.raised(k1, 0xbb67ae85, 0x84caa73b);
      }
      const p = mul64(0xd2e7470e, 0xe14c6c93, c0[0], c0[1]), q = mul64(0xca5a8263, 0x95121157, c2[0], c2[1]);
      [c0, c1, c2, c3] = [
        [(q[0] ^ c1[0] ^ k0[0]) >>> 0, (q[1] ^ c1[1] ^ k0[1]) >>> 0], [q[2], q[3]],
        [(p[0] ^ c3[0] ^ k1[0]) >>> 0, (p[1] ^ c3[1] ^ k1[1]) >>> 0], [p[2], p[3]],
      ];
    }
    this.buffer = [c3, c2, c1, c0];
  }

  static raised(key, high, low) {
    const sum = key[1] + low;
    return [key[0] + high + (sum > 0xffffffff ? 1 : 0) >>> 0, sum >>> 0];
  }

  word() {
    if (!this.buffer.length) this.block();
    return this.buffer.pop();
  }

  uint32() {
    if (this.half !== null) {
      const kept = this.half;
      this.half = null;
      return kept;
    }
    const [high, low] = this.word();
    this.half = high;
    return low;
  }

  double() {
    const [high, low] = this.word();
    return ((high >>> 5) * 67108864 + (low >>> 6)) / 9007199254740992;
  }

  // An integer in [0, most], most < 2**32 - 1.
  upTo(most) {
    if (!most) return 0;
    const count = most + 1;
    let [high, low] = mul32(this.uint32(), count);
    if (low < count) {
      const threshold = (0xffffffff - most) % count;
      while (low < threshold) [high, low] = mul32(this.uint32(), count);
    }
    return high;
  }
}

function binomial(g, n, p) {
  if (!n || !p) return 0;
  if (p > 0.5) return n - smallBinomial(g, n, 1 - p);
  return smallBinomial(g, n, p);
}

function smallBinomial(g, n, p) {
  return p * n <= 30 ? byInversion(g, n, p) : byRejection(g, n, p);
}

function byInversion(g, n, p) {
  const q = 1 - p, qn = Math.exp(n * Math.log(q)), np = n * p;
  const bound = Math.floor(Math.min(n, np + 10 * Math.sqrt(np * q + 1)));
  let x = 0, px = qn, u = g.double();
  while (u > px) {
    x++;
    if (x > bound) {
      x = 0;
      px = qn;
      u = g.double();
    } else {
      u -= px;
      px = (n - x + 1) * p * px / (x * q);
    }
  }
  return x;
}

// Algorithm BTPE: a triangle, two parallelograms and two exponential tails over the density.
function byRejection(g, n, p) {
  const r = Math.min(p, 1 - p), q = 1 - r, fm = n * r + r, m = Math.floor(fm), nrq = n * r * q;
  const p1 = Math.floor(2.195 * Math.sqrt(nrq) - 4.6 * q) + 0.5, xm = m + 0.5, xl = xm - p1, xr = xm + p1;
  const c = 0.134 + 20.5 / (15.3 + m);
  const slope = (a) => a * (1 + a / 2);
  const left = slope((fm - xl) / (fm - xl * r)), right = slope((xr - fm) / (xr * q));
  const p2 = p1 * (1 + 2 * c), p3 = p2 + c / left, p4 = p3 + c / right;
  for (;;) {
    const u = g.double() * p4;
    let v = g.double(), y;
    if (u <= p1) return Math.floor(xm - p1 * v + u);
    if (u <= p2) {
      const x = xl + (u - p1) / c;
      v = v * c + 1 - Math.abs(m - x + 0.5) / p1;
      if (v > 1) continue;
      y = Math.floor(x);
    } else if (u <= p3) {
      y = Math.floor(xl + Math.log(v) / left);
      if (y < 0 || v === 0) continue;
      v = v * (u - p2) * left;
    } else {
      y = Math.floor(xr - Math.log(v) / right);
      if (y > n || v === 0) continue;
      v = v * (u - p3) * right;
    }
    if (accepts(n, r, q, m, nrq, xm, y, v)) return y;
  }
}

function accepts(n, r, q, m, nrq, xm, y, v) {
  const k = Math.abs(y - m);
  if (!(k > 20 && k < nrq / 2 - 1)) {
    const s = r / q, a = s * (n + 1);
    let f = 1;
    for (let i = m + 1; i <= y; i++) f *= a / i - s;
    for (let i = y + 1; i <= m; i++) f /= a / i - s;
    return v <= f;
  }
  const rho = k / nrq * ((k * (k / 3 + 0.625) + 0.16666666666666666) / nrq + 0.5), t = -k * k / (2 * nrq);
  const a = Math.log(v);
  if (a < t - rho) return true;
  if (a > t + rho) return false;
  const x1 = y + 1, f1 = m + 1, z = n + 1 - m, w = n - y + 1;
  const tail = (x) => {
    const xx = x * x;
    return (13680 - (462 - (132 - (99 - 140 / xx) / xx) / xx) / xx) / x / 166320;
  };
  return a <= xm * Math.log(f1 / x1) + (n - m + 0.5) * Math.log(z / w) + (y - m) * Math.log(w * r / (x1 * q))
    + tail(f1) + tail(z) + tail(x1) + tail(w);
}

// `count` different integers of [0, n), in no particular order.
function choose(g, n, count) {
  if (n > 10000 && count > Math.floor(n / 20)) {
    const all = Uint32Array.from({length: n}, (_, k) => k), first = Math.max(n - count, 1);
    for (let i = n - 1; i >= first; i--) {
      const j = g.upTo(i);
      [all[i], all[j]] = [all[j], all[i]];
    }
    return all.subarray(n - count);
  }
  const chosen = new Set();
  for (let j = n - count; j < n; j++) {
    const value = g.upTo(j);
    chosen.add(chosen.has(value) ? j : value);
  }
  return Uint32Array.from(chosen);
}

// The synapses of a layer that hold the wrong bit: error kind `static` of a fault map.
function drawFlips(n, rate, seed, layer, trial) {
  const g = new Philox(seed, STREAM_STATIC, layer, trial);
  return choose(g, n, binomial(g, n, rate));
}
