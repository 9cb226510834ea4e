/** How a picture settles, from the latents alone: the numbers of denoisecli.metrics, while the run goes on. */

const LAYOUT_CYCLES = 4; // across the picture: slower waves are layout, faster ones detail

/** Return spectrum(latents): the 2-D Fourier transform of each channel, rows whole and columns up to half, as float pairs. */
export function makeSpectrum(side) {
  const half = side / 2 + 1;
  const [cos, sin] = [Math.cos, Math.sin].map((turn) => Float64Array.from({ length: side }, (_, i) => turn((2 * Math.PI * i) / side)));
  const along = (out, inRe, inIm, count, place) => {
    for (let u = 0; u < count; u++) {
      let [re, im] = [0, 0];
      for (let n = 0; n < side; n++) {
        const [c, s] = [cos[(u * n) % side], -sin[(u * n) % side]];
        const [a, b] = [inRe(n), inIm(n)];
        re += a * c - b * s;
        im += a * s + b * c;
      }
      out[2 * place(u)] = re;
      out[2 * place(u) + 1] = im;
    }
  };
  return (latents) => {
    const channels = latents.length / side ** 2;
    const out = new Float64Array(channels * side * half * 2);
    const rows = new Float64Array(side * half * 2);
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < side; y++) along(rows, (x) => latents[(c * side + y) * side + x], () => 0, half, (u) => y * half + u);
      for (let u = 0; u < half; u++) along(out, (y) => rows[2 * (y * half + u)], (y) => rows[2 * (y * half + u) + 1], side, (v) => (c * side + v) * half + u);
    }
    return out;
  };
}

/** Return {layout, detail}: for each spectrum the distance to the last one, relative to the last one's own size in that band. */
export function settling(spectra, side) {
  const half = side / 2 + 1;
  const last = spectra[spectra.length - 1];
  const bands = Array.from({ length: side * half }, (_, i) => {
    const [v, u] = [Math.floor(i / half), i % half];
    return Math.hypot(Math.min(v, side - v), u);
  });
  const sums = (of, constant) => {
    const total = [0, 0];
    for (let i = 0; i < last.length / 2; i++) {
      const cycles = bands[i % bands.length];
      if (cycles > 0 || constant) total[cycles < LAYOUT_CYCLES ? 0 : 1] += of(i);
    }
    return total;
  };
  const against = sums((i) => last[2 * i] ** 2 + last[2 * i + 1] ** 2, false);
  const rows = spectra.map((one) => sums((i) => (one[2 * i] - last[2 * i]) ** 2 + (one[2 * i + 1] - last[2 * i + 1]) ** 2, true));
  const [layout, detail] = [0, 1].map((band) => rows.map((row) => Math.sqrt(row[band] / Math.max(against[band], 1e-12))));
  return { layout, detail };
}

/** Return the first state from which every distance is at or below `threshold`, the last one at the latest. */
export function committedAt(distances, threshold) {
  for (let k = distances.length - 1; k >= 0; k--) if (distances[k] > threshold) return k + 1;
  return 0;
}
