/** The forward process, pixel by pixel: x_t = signal · x0 + noise · ε, the formula and nothing else. */

/**
 * Fill `out` (RGBA bytes) with x_t as sRGB. x0: bytes (h, w, 3), 0..255 for −1..1; eps: ε · unit as int16 (h, w, 3).
 * signal and noise: the factors; either of them 0 or 1 shows ε or x0 alone.
 */
export function corrupt(out, x0, eps, unit, signal, noise) {
  const strength = (noise * 127.5) / unit;
  for (let from = 0, to = 0; from < x0.length; from += 3, to += 4) {
    out[to] = signal * (x0[from] - 127.5) + strength * eps[from] + 127.5;
    out[to + 1] = signal * (x0[from + 1] - 127.5) + strength * eps[from + 1] + 127.5;
    out[to + 2] = signal * (x0[from + 2] - 127.5) + strength * eps[from + 2] + 127.5;
    out[to + 3] = 255;
  }
}

/** Return the numbers of a level: ᾱ, σ (the flow's own for a flow) and SNR in decibels; null where infinite. */
export function levelOf(signal, noise, family) {
  const [s, n] = [signal ** 2, noise ** 2];
  const sigma = family === "flow" ? noise : noise / signal;
  const snr = 10 * Math.log10(s / n);
  return { alphaBar: s / (s + n), sigma: Number.isFinite(sigma) ? sigma : null, snr: Number.isFinite(snr) ? snr : null };
}

/** Return every `step`-th pixel of rows and columns of a (height, width, 3) array, and its new width and height. */
export function thinned(values, width, height, step) {
  const [w, h] = [Math.floor(width / step) || 1, Math.floor(height / step) || 1];
  const out = new values.constructor(w * h * 3);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const from = (y * step * width + x * step) * 3;
      for (let c = 0; c < 3; c++) out[(y * w + x) * 3 + c] = values[from + c];
    }
  }
  return { values: out, width: w, height: h };
}
