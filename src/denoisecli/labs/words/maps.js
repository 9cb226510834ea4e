/** The words' maps: how much each place looks at a word, and a picture tinted with them. */

import { arrayOf } from "../../media/page/bytes.js";
import { themeColour } from "../../media/page/colours.js";

const [GREY, DIM, TINT] = [0.75, 0.55, 0.85]; // as in the film
const MOST_KEPT = 64; // tinted pictures of a strip

/** about: {shape, top, low, high, loud}; entry: the embedded bytes. Returns {value, loudness, tint, tinted}. */
export function makeMaps(about, entry, words, edge) {
  const [, states, count, height, width] = about.shape;
  const bytes = arrayOf(entry);
  const cells = height * width;
  const small = document.createElement("canvas");
  [small.width, small.height] = [width, height];
  const from = (seed, state, word) => ((seed * states + state) * count + word) * cells;
  const read = (place, word) => about.top[word] * (bytes[place] / 255) ** 2;
  /** How strongly each byte of a word's map is drawn, 0..1. */
  const drawn = (seed, word) => {
    const [low, high] = [about.low[seed][word], about.high[seed][word]];
    return Float32Array.from({ length: 256 }, (_, byte) => {
      const share = ((about.top[word] * (byte / 255) ** 2 - low) / Math.max(1e-9, high - low) - edge[0]) / (edge[1] - edge[0]);
      const t = Math.min(1, Math.max(0, share));
      return about.loud[seed][word] * t * t * (3 - 2 * t);
    });
  };
  const tables = about.low.map((row, seed) => row.map((_, word) => drawn(seed, word)));
  /** How much the place x, y (0..1) looks at a word. */
  const value = (seed, state, word, { x, y }) => {
    const cell = Math.min(height - 1, Math.floor(y * height)) * width + Math.min(width - 1, Math.floor(x * width));
    return read(from(seed, state, word) + cell, word);
  };
  /** How loudly each word speaks, 0..1: how strongly it is drawn where it is drawn most. */
  const loudness = (seed, state) => words.map((_, word) => {
    const start = from(seed, state, word);
    const most = bytes.subarray(start, start + cells).reduce((a, b) => Math.max(a, b), 0);
    return tables[seed][word][most];
  });
  /** The shown words' hues, mixed by how strongly each is drawn, in the little canvas. */
  const mix = (seed, state, shown) => {
    const ink = small.getContext("2d");
    const image = ink.createImageData(width, height);
    const hues = shown.map((word) => themeColour(`--hue-${words[word].hue}`));
    const starts = shown.map((word) => from(seed, state, word));
    for (let cell = 0; cell < cells; cell++) {
      let [red, green, blue, total] = [0, 0, 0, 0];
      for (let i = 0; i < shown.length; i++) {
        const level = tables[seed][shown[i]][bytes[starts[i] + cell]];
        red += level * hues[i][0];
        green += level * hues[i][1];
        blue += level * hues[i][2];
        total += level;
      }
      const by = 1 / Math.max(1e-6, total);
      image.data.set([red * by, green * by, blue * by, 255 * Math.min(1, total)], 4 * cell);
    }
    ink.putImageData(image, 0, 0);
  };
  /** Draw a picture, dimmed, with the shown words on it. */
  const tint = (canvas, picture, seed, state, shown) => {
    if (!picture) return;
    [canvas.width, canvas.height] = [picture.width, picture.height];
    const ink = canvas.getContext("2d", { alpha: false });
    const layer = (mode, alpha, paint) => {
      ink.globalCompositeOperation = mode;
      ink.globalAlpha = alpha;
      paint();
    };
    const fill = (colour) => () => {
      ink.fillStyle = colour;
      ink.fillRect(0, 0, canvas.width, canvas.height);
    };
    layer("source-over", 1, () => ink.drawImage(picture, 0, 0));
    layer("saturation", GREY, fill("#808080"));
    layer("source-over", DIM, fill(`rgb(${themeColour("--ground").join(" ")})`));
    if (!shown.length) return;
    mix(seed, state, shown);
    ink.imageSmoothingQuality = "high";
    layer("source-over", TINT, () => ink.drawImage(small, 0, 0, canvas.width, canvas.height));
  };
  const kept = new Map();
  /** A tinted picture of its own, kept for the strip. */
  const tinted = (picture, seed, state, shown) => {
    const name = `${seed}/${state}/${shown}`;
    if (!picture || kept.has(name)) return kept.get(name);
    if (kept.size >= MOST_KEPT) kept.clear();
    const canvas = document.createElement("canvas");
    tint(canvas, picture, seed, state, shown);
    kept.set(name, canvas);
    return canvas;
  };
  return { value, loudness, tint, tinted };
}
