// Bit error rates in closed form: ln R of both states is normal, so a rate is a tail of the normal distribution.

// Phi(-x), by the continued fraction of erfc (Lentz) where the series of erf loses its digits.
function tail(x) {
  const z = Math.abs(x) / Math.SQRT2;
  let upper;
  if (z < 2) {
    let term = z, sum = z;
    for (let k = 1; k < 100 && Math.abs(term) > 1e-17 * sum; k++) {
      term *= -z * z / k;
      sum += term / (2 * k + 1);
    }
    upper = 0.5 - sum / Math.sqrt(Math.PI);
  } else {
    let fraction = 0;
    for (let k = 120; k > 0; k--) fraction = k / 2 / (z + fraction);
    upper = Math.exp(-z * z) / (z + fraction) / Math.sqrt(Math.PI) / 2;
  }
  return x >= 0 ? upper : 1 - upper;
}

// The offset of the amplifier at a supply, between those that were simulated: linear in its logarithm.
function offsetAt(device, vdd) {
  const {vdd: v, offset} = device;
  let k = 1;
  while (k < v.length - 1 && vdd > v[k]) k++;
  const share = (vdd - v[k - 1]) / (v[k] - v[k - 1]);
  return Math.exp((1 - share) * Math.log(offset[k - 1]) + share * Math.log(offset[k]));
}

// Rates of the three ways to keep a bit, for a spread of ln R that both states have.
function cellRates(device, sigma, vdd) {
  const distance = device.distance, offset = offsetAt(device, vdd);
  const single = tail(distance / (2 * sigma)), n = device.code_counts.length - 1;
  const code = device.code_counts.reduce((sum, count, w) => sum + count * single ** w * (1 - single) ** (n - w), 0) / device.code_bits;
  return {"2t2r": tail(distance / Math.hypot(sigma, sigma, offset)), "1t1r": single, code};
}
