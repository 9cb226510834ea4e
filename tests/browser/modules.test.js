import assert from "node:assert/strict";
import { test } from "node:test";

import { bytesOf, arrayOf } from "../../src/denoisecli/media/page/bytes.js";
import { atHand, chosen, inMode, modesOf, seen } from "../../src/denoisecli/media/page/compare.js";
import { labelPlace, monotoneTangents, smoothPath } from "../../src/denoisecli/media/page/curve.js";
import { fitPanels, fitStrip, nearestShown, shownAt } from "../../src/denoisecli/media/page/fit.js";
import { corrupt, levelOf, thinned } from "../../src/denoisecli/labs/noise/noising.js";
import { fitMap, nearest } from "../../src/denoisecli/labs/walk/map.js";
import { keptOf, makeProduct, signedPixels } from "../../src/denoisecli/labs/lora_rank/product.js";
import { makeShelf } from "../../src/denoisecli/tools/live/drawings.js";
import { differences, megabytes, ordered, passes } from "../../src/denoisecli/tools/gallery/runs.js";
import { wordPlaces } from "../../src/denoisecli/media/page/slider.js";
import { decibels, percent, range, short, tenths, threeFigures, timestep } from "../../src/denoisecli/media/page/numbers.js";

test("numbers are written as in the films", () => {
  const cases = [
    [14.61, "14.6"], [2.834, "2.83"], [0.1112, "0.111"], [0.00471, "0.0047"], [0, "0"], [831.4, "831"],
    [-9.27, "−9.27"], [0.00002, "2e−5"], [null, "–"], [NaN, "–"],
  ];
  for (const [value, text] of cases) assert.equal(threeFigures(value), text);
  assert.equal(timestep(651), "651");
  assert.equal(timestep(650.25), "650.3");
  assert.equal(decibels(-9.04), "−9.0 dB");
  assert.equal(decibels(null, "−∞ dB"), "−∞ dB");
  assert.equal(range([5, 3, 4]), "3–5");
  assert.equal(range([2]), "2");
  assert.deepEqual([0.0981, 0.5, 1, null].map(percent), ["9.8 %", "50 %", "100 %", "–"]);
  assert.deepEqual([1, 0.99999, 0.912, 0].map(tenths), ["100.0 %", "99.9 %", "91.2 %", "0.0 %"]);
  assert.deepEqual([7.5, 12, 0.1, -0.25, NaN].map(short), ["7.5", "12", "0.1", "−0.25", "–"]);
});

test("what is compared: one, all, two under a seam", () => {
  assert.deepEqual(modesOf(1), ["one"]);
  const all = { now: 2, other: 0, mode: "all" };
  assert.deepEqual(seen(all, 4), [0, 1, 2, 3]);
  assert.deepEqual(seen(atHand(all, 3), 4), [0, 1, 2, 3]);
  assert.deepEqual(seen(chosen(all, 3), 4), [3]);
  const split = { ...all, ...inMode(all, "split", 4) };
  assert.deepEqual(seen(split, 4), [0, 2]);
  assert.deepEqual(seen(chosen(split, 1), 4), [2, 1]);
  assert.deepEqual(seen(chosen(split, 2), 4), [0, 2]);
  assert.deepEqual(inMode({ now: 3, other: 3 }, "split", 4), { mode: "split", other: 3, now: 0 });
});

test("words under a slider never meet", () => {
  assert.deepEqual(wordPlaces([{ at: 140, width: 150 }, { at: 175, width: 70 }], 280), [52, 210]);
  assert.deepEqual(wordPlaces([{ at: 10, width: 50 }, { at: 12, width: 50 }], 300), [10, 68]);
  assert.deepEqual(wordPlaces([{ at: 90, width: 60 }, { at: 95, width: 60 }], 100), [null, 40]);
  assert.deepEqual(wordPlaces([], 100), []);
});

test("a product goes up and down in rank and comes back to itself", () => {
  const [B, A] = [[2, 1, 0, 3], [1, 0, 2, 1, 1, 0]]; // 2×2 and 2×3
  const { at, part } = makeProduct(B, A, 2, 3, 2);
  assert.deepEqual([...at(1)], [2, 0, 4, 0, 0, 0]);
  assert.deepEqual([...at(2)], [3, 1, 4, 3, 3, 0]);
  assert.deepEqual([...part(1, new Float64Array(6))], [1, 1, 0, 3, 3, 0]);
  assert.deepEqual([...at(1)], [2, 0, 4, 0, 0, 0]);
  assert.deepEqual([...at(0)], [0, 0, 0, 0, 0, 0]);
});

test("energy and error of every rank", () => {
  const { energy, error } = keptOf([4, 2, 2, 1]);
  assert.deepEqual(energy, [16 / 25, 20 / 25, 24 / 25, 1]);
  assert.deepEqual(error, [Math.sqrt(9 / 25), Math.sqrt(5 / 25), 0.2, 0]);
});

test("signed numbers have their colours, and saturate", () => {
  const out = new Uint8ClampedArray(12);
  signedPixels(out, [0.5, -2, 0], 1, { zero: [10, 10, 10], up: [20, 30, 40], down: [0, 5, 9] });
  assert.deepEqual([...out], [15, 20, 25, 255, 0, 5, 9, 255, 10, 10, 10, 255]);
});

test("a map stays in its box with pictures that leave the way to be seen", () => {
  const arc = Array.from({ length: 25 }, (_, k) => [-Math.cos((Math.PI * k) / 24), -Math.sin((Math.PI * k) / 24)]);
  for (const [width, height] of [[380, 240], [300, 200], [660, 340], [120, 90]]) {
    for (const ends of [[arc[0], arc[24]], [0, 6, 12, 18, 24].map((k) => arc[k])]) {
      const { place, side } = fitMap(arc, ends, width, height);
      for (const end of ends) {
        const [x, y] = place(end);
        assert.ok(x - side / 2 >= 0 && x + side / 2 <= width && y - side / 2 >= 0 && y + side / 2 + 20 <= height);
      }
      const [a, b] = ends.map(place);
      if (side) assert.ok(Math.hypot(a[0] - b[0], a[1] - b[1]) >= 1.7 * side - 1e-9);
    }
  }
  assert.equal(nearest([[0, 0], [5, 5], [9, 0]], [6, 3]), 1);
});

test("panels never leave their room, whatever their number", () => {
  for (let n = 1; n <= 16; n++) {
    for (const [ratio, width, height] of [[1, 800, 500], [1.5, 358, 500], [0.6, 1400, 700], [1, 300, 300]]) {
      const fit = fitPanels(n, ratio, width, height, 12);
      assert.ok(fit.columns * fit.rows >= n);
      assert.ok(fit.columns * (fit.width + 12) - 12 <= width + 1e-9);
      assert.ok(fit.rows * (fit.height + 12) - 12 <= height + fit.rows);
    }
  }
});

test("four squares stand two by two in a square room, side by side in a wide one", () => {
  assert.equal(fitPanels(4, 1, 560, 560, 12).columns, 2);
  assert.equal(fitPanels(4, 1, 1200, 280, 12).columns, 4);
});

test("panels that are little larger get no more columns", () => {
  assert.equal(fitPanels(4, 1, 1428, 702, 12).columns, 4);
  assert.equal(fitPanels(4, 1, 1428, 702, 12, 1.25).columns, 2);
  assert.equal(fitPanels(3, 1, 908, 300, 12, 1.25).columns, 3);
});

test("a strip shows whole pictures, large enough to be seen, both ends among them", () => {
  for (const [count, rows, ratio, width, windowHeight] of [
    [4, 1, 1, 1264, 900], [21, 4, 1, 1264, 900], [21, 6, 1.5, 312, 800], [51, 1, 1, 312, 844], [9, 3, 0.5, 1144, 720], [1, 1, 1, 300, 600],
  ]) {
    const fit = fitStrip({ count, rows, ratio, width, windowHeight });
    assert.ok(Math.abs(fit.width / fit.height - ratio) < 0.06 * ratio, `${fit.width} × ${fit.height}`);
    assert.ok(fit.width <= fit.pitch - fit.gap + 1e-9 && Math.min(fit.width, fit.height) >= 13);
    assert.ok(Math.max(fit.width, fit.height) >= 28);
    assert.ok(fit.rows * (fit.height + fit.gap) - fit.gap <= 0.15 * windowHeight + 1);
    assert.deepEqual([shownAt(0, fit.shown, count), fit.shown === 1 || shownAt(fit.shown - 1, fit.shown, count) === count - 1], [0, true]);
    for (let place = 0; place < fit.shown; place++) assert.equal(nearestShown(shownAt(place, fit.shown, count), fit.shown, count), place);
  }
  assert.equal(fitStrip({ count: 21, rows: 4, ratio: 1, width: 1264, windowHeight: 900 }).rows, 4);
  assert.equal(fitStrip({ count: 7, rows: 4, ratio: 1, width: 1264, windowHeight: 900 }).rows, 1); // small and far apart
  assert.equal(fitStrip({ count: 21, rows: 6, ratio: 1, width: 1264, windowHeight: 900 }).rows, 1); // too thin
});

test("a smooth line never overshoots its points", () => {
  const points = [[0, 0], [1, 0], [2, 5], [3, 5], [4, 9], [5, 1]];
  const tangents = monotoneTangents(points);
  assert.deepEqual([tangents[1], tangents[3], tangents[4]], [0, 0, 0]);
  const ys = smoothPath(points).match(/[-\d.]+ [-\d.]+/g).map((pair) => Number(pair.split(" ")[1]));
  assert.ok(Math.max(...ys) <= 9 && Math.min(...ys) >= 0);
  assert.equal(smoothPath([]), "");
  assert.equal(smoothPath([[3, 4]]), "M3.00 4.00");
});

test("a curve's name stands free, nearest to its own line", () => {
  const area = { left: 0, right: 400, top: 0, bottom: 200 };
  const own = Array.from({ length: 51 }, (_, i) => [i * 8, 40]);
  const other = Array.from({ length: 51 }, (_, i) => [i * 8, 150]);
  const place = labelPlace(50, 13, area, own, other, []);
  assert.ok(Math.abs(place[1] - 40) < 20);
  assert.equal(labelPlace(50, 13, { left: 0, right: 20, top: 0, bottom: 20 }, own, other, []), null);
});

test("base64 gives typed arrays", () => {
  assert.deepEqual([...bytesOf("AQID")], [1, 2, 3]);
  assert.deepEqual([...arrayOf({ dtype: "int16", data: "AQD//w==" })], [1, -1]);
});

test("x_t is signal · x0 + noise · ε, and clips", () => {
  const out = new Uint8ClampedArray(8);
  corrupt(out, new Uint8Array([0, 128, 255, 10, 20, 30]), new Int16Array([0, 0, 0, 4096, -4096, 32767]), 4096, 0.6, 0.8);
  const exact = (p, e) => Math.floor(Math.min(255, Math.max(0, (0.6 * (p / 127.5 - 1) + 0.8 * e) * 127.5 + 128)));
  const want = [exact(0, 0), exact(128, 0), exact(255, 0), 255, exact(10, 1), exact(20, -1), exact(30, 8), 255];
  want.forEach((value, i) => assert.ok(Math.abs(out[i] - value) <= 1, `${i}: ${out[i]} for ${value}`));
});

test("levels: σ is noise/signal, a flow's is its own; infinities are null", () => {
  assert.deepEqual(levelOf(1, 0, "vp"), { alphaBar: 1, sigma: 0, snr: null });
  assert.deepEqual(levelOf(0, 1, "vp"), { alphaBar: 0, sigma: null, snr: null });
  assert.equal(levelOf(0.25, 0.75, "flow").sigma, 0.75);
  assert.ok(Math.abs(levelOf(0.6, 0.8, "vp").alphaBar - 0.36) < 1e-12);
});

test("thinning takes whole pixels", () => {
  const values = Uint8Array.from({ length: 4 * 2 * 3 }, (_, i) => i);
  const few = thinned(values, 4, 2, 2);
  assert.deepEqual([few.width, few.height, [...few.values]], [2, 1, [0, 1, 2, 6, 7, 8]]);
});

test("runs are filtered by all words, ordered, and compared by their settings", () => {
  const runs = [
    { number: 0, lab: "sample", title: "A mill", settings: "DDIM · seed 7", state: "done", folder: "a", bytes: 5, config: { cfg: 7.5, seeds: "[7]" } },
    { number: 1, lab: "walk", title: "a castle", settings: "Euler", state: "failed", folder: "b", bytes: 9, config: null },
    { number: 2, lab: "sample", title: "a lake", settings: "", state: "done", folder: "c", bytes: 7, config: { cfg: 3 } },
  ];
  const shown = (words, lab = "") => runs.filter((run) => passes(run, { words, lab })).map((run) => run.number);
  assert.deepEqual(shown(""), [0, 1, 2]);
  assert.deepEqual(shown("MILL ddim"), [0]);
  assert.deepEqual(shown("cfg=3"), [2]);
  assert.deepEqual(shown("failed"), [1]);
  assert.deepEqual(shown("a", "sample"), [0, 2]);
  const order = (name) => ordered(runs, name).map((run) => run.number);
  assert.deepEqual([order("newest"), order("oldest"), order("cfg"), order("size"), order("title")], [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 2, 0], [1, 2, 0]]);
  assert.deepEqual(differences(runs[0].config, runs[2].config), [{ key: "cfg", a: 7.5, b: 3 }, { key: "seeds", a: "[7]", b: null }]);
  assert.deepEqual(differences(null, null), []);
  assert.deepEqual([0, 999, 14_900_000, 2.5e9].map(megabytes), ["0 B", "999 B", "14.9 MB", "2.5 GB"]);
});

test("a filter takes words from their start, numbers whole, and a number behind a setting for that one", () => {
  const run = (number, title, settings, config) => ({ number, lab: "sample", title, settings, state: "done", folder: `run-${number}`, bytes: 1, config });
  const runs = [
    run(0, "a lighthouse", "DDIM · 20 steps · cfg 7.5 · seed 7", { cfg: 7.5, steps: 20, seeds: "[7]", size: "[128, 128]", "decode.tile": 12 }),
    run(1, "12 delighted gulls", "Euler · 6 steps · cfg 12 · 2 seeds", { cfg: 12, steps: 6, seeds: "[20, 21]", sampler: "euler" }),
    run(2, "a (foggy) bay: 夕暮れの灯台", "cfg 0.5, 3, 12 · LCM · seed 120", { scales: "[0.5, 3.0, 12.0]", steps: 6, seeds: "[120]", model: "sd-v1-5" }),
  ];
  const cases = [
    ["light", [0]], ["house", []], ["cfg 12", [1, 2]], ["12", [0, 1, 2]], ["cfg 7", []], ["7", [0]], ["7.5", [0]], ["0.50", [2]],
    ["seed 7", [0]], ["seeds 20", [1]], ["steps 20", [0]], ["step 6 cfg 12", [1, 2]], ["cfg=12 euler", [1]], ["sampler = eul", [1]],
    ["gulls 12", [1]], ["tile=12", [0]], ["128", [0]], ["v1-5", [2]], ["(fog", [2]], ["灯台", [2]], ["cfg=", [0, 1, 2]], ["seed 7 [.*", []],
  ];
  for (const [words, want] of cases) {
    assert.deepEqual(runs.filter((one) => passes(one, { words, lab: "" })).map((one) => one.number), want, words);
  }
});

test("a picture that is wanted is never dropped for another, which nobody would ask for again", () => {
  const shelf = makeShelf(3);
  const [shown, near, far, late, ...older] = Array.from("abcdefg", (name) => [name]);
  shelf.put(shown, "picture");
  for (const latents of older) shelf.put(latents, "picture"); // the shown one is the oldest now, and was dropped
  assert.ok(!shelf.has(shown));
  assert.deepEqual(shelf.want([shown, near, shown, far, late]), [shown, near, far]); // no more than there is room for
  for (const latents of [shown, near, late, far, ...older]) {
    shelf.put(latents, "picture");
    assert.equal(shelf.get(shown), "picture");
  }
  assert.deepEqual([near, far, late, ...older].map(shelf.has), [true, true, false, false, false, false]);
  assert.deepEqual(shelf.want([far, late]), [late]);
});
