/** The starting noise, as torch.randn draws it on the CPU: Mersenne Twister, then Box–Muller on blocks of 16. */

/** Return a function that gives the 32-bit numbers of MT19937 for `seed`, 0 … 2³² − 1. Source: Matsumoto & Nishimura 1998. */
export function mersenne(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let j = 1; j < 624; j++) state[j] = Math.imul(1812433253, state[j - 1] ^ (state[j - 1] >>> 30)) + j;
  let at = 624;
  const refill = () => {
    for (let k = 0; k < 624; k++) {
      const y = (state[k] & 0x80000000) | (state[(k + 1) % 624] & 0x7fffffff);
      state[k] = state[(k + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  };
  return () => {
    if (at === 624) refill();
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

/** Return torch's 32 bits of a seed given as decimal digits: its value modulo 2³². */
export function seedBits(text) {
  return Number(BigInt.asUintN(32, BigInt(text)));
}

const f = Math.fround;
const [BITS, FLOAT] = (() => {
  const bits = new Int32Array(1);
  return [bits, new Float32Array(bits.buffer)];
})();

/** a · b + c with one rounding: a double holds the product of two floats exactly. */
const fma = (a, b, c) => f(a * b + c);

const LOG = [7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1].map(f);

/** ln u in single precision. Source: Cephes' logf, as in torch's vectorised kernel. */
function logf(u) {
  FLOAT[0] = u;
  let exponent = (BITS[0] >>> 23) - 126;
  BITS[0] = (BITS[0] & ~0x7f800000) | 0x3f000000;
  let x = FLOAT[0];
  if (x < f(Math.SQRT1_2)) {
    exponent -= 1;
    x = f(f(x - 1) + x);
  } else x = f(x - 1);
  const z = f(x * x);
  let y = LOG.reduce((sum, c) => fma(sum, x, c));
  y = f(f(y * x) * z);
  y = f(fma(exponent, f(-2.1219444e-4), y) - z * 0.5);
  return fma(exponent, f(0.693359375), f(x + y));
}

/** [sin, cos] of an angle 0 … 2π in single precision. Source: Cephes' sinf and cosf, as above. */
function sincosf(angle) {
  const octant = (Math.trunc(f(angle * f(4 / Math.PI))) + 1) & ~1;
  let x = angle;
  for (const part of [-0.78515625, -2.4187564849853515625e-4, -3.774894977445941e-8]) x = fma(octant, f(part), x);
  const z = f(x * x);
  let c = fma(fma(f(2.443315711809948e-5), z, f(-1.388731625493765e-3)), z, f(4.166664568298827e-2));
  c = f(f(f(f(c * z) * z) - z * 0.5) + 1);
  let s = fma(fma(f(-1.9515295891e-4), z, f(8.3321608736e-3)), z, f(-1.6666654611e-1));
  s = fma(f(s * z), x, x);
  const [sin, cos] = octant & 2 ? [c, s] : [s, c];
  return [octant & 4 ? -sin : sin, (octant - 2) & 4 ? cos : -cos];
}

/** Return `length` numbers of unit Gaussian noise, 16 or more; `seed`: 0 … 2³² − 1. */
export function randn(seed, length) {
  const next = mersenne(seed);
  const uniform = () => f((next() & 0xffffff) * 2 ** -24);
  const out = Float32Array.from({ length }, uniform);
  const block = (at) => {
    for (let j = at; j < at + 8; j++) {
      const radius = f(Math.sqrt(f(-2 * logf(f(1 - out[j])))));
      const [sin, cos] = sincosf(f(f(2 * Math.PI) * out[j + 8]));
      out[j] = f(radius * cos);
      out[j + 8] = f(radius * sin);
    }
  };
  for (let at = 0; at + 16 <= length; at += 16) block(at);
  if (length % 16) { // the last 16 are drawn anew
    for (let k = length - 16; k < length; k++) out[k] = uniform();
    block(length - 16);
  }
  return out;
}

/**
 * Return the point at `share` (0..1) of the arc from `a` to `b`: the direction is turned, the length goes in a straight
 * line. Source: Shoemake 1985, as denoisecli.diffusion.noise has it.
 */
export function slerp(a, b, share) {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  const [long, wide] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / (long * wide))));
  const straight = Math.sin(angle) < 1e-6;
  const length = long + (wide - long) * share;
  const from = length / long * (straight ? 1 - share : Math.sin((1 - share) * angle) / Math.sin(angle));
  const to = length / wide * (straight ? share : Math.sin(share * angle) / Math.sin(angle));
  return a.map((value, i) => from * value + to * b[i]);
}
