/** Latents as pictures: decoded one after the other, what is looked at first; until then a sketch, one colour a cell. */

import { element } from "../../media/page/dom.js";

const MOST = 220; // pictures that are kept, 58 MB
const LEARNT = 24; // pictures that sketches are fitted to
const REST = 1; // times as long as a picture took the artist rests while the run itself goes on

/**
 * decode(latents) → a promise of {result: RGBA, ms}; busy(): the run goes on; told(): a picture is ready.
 * Returns {get, has, want, now}: get(latents) → a canvas: the picture, a sketch, or null; want(list): these, in this order,
 * are drawn next, and nothing else; now(latents) → a promise of the picture, whatever else is wanted meanwhile.
 */
export function makeDrawings({ side, decode, busy, told }) {
  const shelf = makeShelf(MOST);
  const sketch = makeSketcher(side);
  let [queue, working] = [[], false];

  const draw = async (latents) => {
    const { result, ms } = await decode(latents);
    const size = Math.sqrt(result.length / 4);
    const canvas = element("canvas", { width: size, height: size });
    canvas.getContext("2d").putImageData(new ImageData(result, size, size), 0, 0);
    shelf.put(latents, canvas);
    sketch.learn(latents, result, size);
    told();
    return { canvas, ms };
  };
  const work = async () => {
    if (working) return;
    working = true;
    try {
      for (let next = queue.shift(); next; next = queue.shift()) {
        if (shelf.has(next)) continue;
        const { ms } = await draw(next);
        if (busy()) await new Promise((done) => setTimeout(done, REST * ms));
      }
    } finally {
      working = false;
    }
  };
  return {
    get: (latents) => shelf.get(latents) ?? (latents ? sketch.of(latents) : null),
    has: (latents) => shelf.has(latents),
    want: (list) => {
      queue = shelf.want(list);
      return work();
    },
    now: async (latents) => shelf.get(latents) ?? (await draw(latents)).canvas,
  };
}

/**
 * At most `most` pictures by their latents. A wanted one stays, whatever comes in: the page waits for it and would not ask
 * again. Returns {get, has, want, put}: want(list) → those that are missing, of the first `most`.
 */
export function makeShelf(most) {
  const kept = new Map();
  let wanted = new Set();
  return {
    get: (latents) => kept.get(latents),
    has: (latents) => kept.has(latents),
    want: (list) => {
      wanted = new Set([...new Set(list)].slice(0, most));
      return [...wanted].filter((latents) => !kept.has(latents));
    },
    put: (latents, picture) => {
      kept.set(latents, picture);
      if (kept.size > most) kept.delete([...kept.keys()].find((oldest) => !wanted.has(oldest)));
    },
  };
}

/** Colours of a cell as a linear map of its latents, fitted to the pictures so far: least squares by normal equations. */
function makeSketcher(side) {
  const cells = side * side;
  let [sums, towards, fit, age] = [null, null, null, 0];
  const made = new WeakMap();
  /** Write a cell's latents and a 1 into `row`: it is called a thousand times a picture, and must leave nothing behind. */
  const fill = (row, latents, i) => {
    for (let c = 0; c < row.length - 1; c++) row[c] = latents[c * cells + i];
    row[row.length - 1] = 1;
    return row;
  };
  const learn = (latents, rgba, wide) => {
    if (age >= LEARNT) return;
    const size = latents.length / cells + 1;
    sums ??= Array.from({ length: size }, () => new Float64Array(size));
    towards ??= Array.from({ length: size }, () => new Float64Array(3));
    const [scale, row] = [wide / side, new Float64Array(size)];
    const clips = (value) => value === 0 || value === 255;
    for (let i = 0; i < cells; i++) {
      const middle = 4 * (Math.floor((Math.floor(i / side) + 0.5) * scale) * wide + Math.floor(((i % side) + 0.5) * scale));
      if (clips(rgba[middle]) || clips(rgba[middle + 1]) || clips(rgba[middle + 2])) continue;
      fill(row, latents, i);
      for (let p = 0; p < size; p++) {
        for (let q = 0; q < size; q++) sums[p][q] += row[p] * row[q];
        for (let c = 0; c < 3; c++) towards[p][c] += row[p] * rgba[middle + c];
      }
    }
    fit = solved(sums, towards);
    age += 1;
  };
  const of = (latents) => {
    if (!fit) return null;
    const before = made.get(latents);
    if (before?.age === age) return before.canvas;
    const canvas = before?.canvas ?? element("canvas", { width: side, height: side });
    const [image, row] = [new ImageData(side, side), new Float64Array(fit.length)];
    for (let i = 0; i < cells; i++) {
      fill(row, latents, i);
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let p = 0; p < row.length; p++) sum += row[p] * fit[p][c];
        image.data[4 * i + c] = sum;
      }
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    made.set(latents, { age, canvas });
    return canvas;
  };
  return { learn, of };
}

/** Solve A · X = B for a small symmetric A with a little weight on its diagonal: Gauss and Jordan. */
export function solved(A, B) {
  const rows = A.map((row, p) => [...row.map((value, q) => value + (p === q ? 1e-3 : 0)), ...B[p]]);
  rows.forEach((pivot, p) => {
    const scale = pivot[p];
    pivot.forEach((value, q) => (pivot[q] = value / scale));
    rows.forEach((row, r) => {
      if (r === p) return;
      const factor = row[p];
      row.forEach((value, q) => (row[q] = value - factor * pivot[q]));
    });
  });
  return rows.map((row) => row.slice(A.length));
}
