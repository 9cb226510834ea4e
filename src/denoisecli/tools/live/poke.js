/** Poke: other noise rubbed into a state, or two of its places exchanged, and what is different for it afterwards. */

import { element } from "../../media/page/dom.js";
import { makeSlider } from "../../media/page/slider.js";
import { makeTabs } from "../../media/page/tabs.js";

const TOOLS = { noise: ["Noise", "rub the next seed's noise into the state"], swap: ["Swap", "drag from one place to another: they change places"] };
const MOST = 400; // strokes of a drawing
const BRUSH = { least: 1, most: 8 }; // radius in cells
const OTHER = 0.5; // length of the difference, in the latents' unit, from which a cell counts as another

export const EXAMPLE = [{ x: 16, y: 18, r: 5 }];

/** The cells of a disc, [[column, row]]; off(column, row): moved so far. */
function disc({ x, y, r }, side) {
  const found = [];
  for (let row = Math.max(0, Math.ceil(y - r)); row <= Math.min(side - 1, y + r); row++) {
    for (let column = Math.max(0, Math.ceil(x - r)); column <= Math.min(side - 1, x + r); column++) {
      if ((column - x) ** 2 + (row - y) ** 2 <= (r + 0.3) ** 2) found.push([column, row]);
    }
  }
  return found;
}

/**
 * A state with its strokes: {x, y, r} has the noise in a disc of cells, {x, y, r, to: {x, y}} exchanges it with another.
 * x: (channels, side, side) in a row, which stays as it is; noise: on its scale.
 */
export function poked(x, strokes, side, noise) {
  const out = Float32Array.from(x);
  const cells = side * side;
  for (const stroke of strokes) {
    for (const [column, row] of disc(stroke, side)) {
      const here = row * side + column;
      const [across, down] = stroke.to ? [column + stroke.to.x - stroke.x, row + stroke.to.y - stroke.y] : [column, row];
      if (across < 0 || down < 0 || across >= side || down >= side) continue;
      const there = down * side + across;
      for (let at = 0; at < x.length; at += cells) {
        if (stroke.to) [out[at + here], out[at + there]] = [out[at + there], out[at + here]];
        else out[at + here] = noise[at + here];
      }
    }
  }
  return out;
}

/** The length of the difference of two latents in each cell. */
export function difference(a, b, side) {
  const cells = side * side;
  const channels = Array.from({ length: a.length / cells }, (_, c) => c * cells);
  return Float32Array.from({ length: cells }, (_, i) => Math.hypot(...channels.map((at) => a[at + i] - b[at + i])));
}

/** What share of the cells is another, 0..1. @param {Float32Array} lengths */
export function changedShare(lengths) {
  return lengths.reduce((count, length) => count + Number(length > OTHER), 0) / lengths.length;
}

/**
 * The tools, and a ring on the pictures that follows pointer, finger or w, a, s and d. get() → {tool, brush, strokes, at,
 * state, steps}; change(patch). Returns {node, keys, listen(stage), set(panels, on), tell(words)}.
 */
export function makePoke({ side, get, change }) {
  let [ring, first, drawing] = [null, null, false];
  const tools = makeTabs({
    label: "tool", onChoose: (tool) => change({ tool }), choices: Object.entries(TOOLS).map(([value, [text, title]]) => ({ value, text, title })),
  });
  const brush = makeSlider({
    label: "brush", count: BRUSH.most - BRUSH.least + 1, said: (index) => `${index + BRUSH.least} cells wide each way`, ownKeys: true,
    onInput: (index) => change({ brush: index + BRUSH.least }),
  });
  const clear = element("button", { type: "button", class: "here", text: "undo all", onclick: () => change({ strokes: [] }) });
  const told = element("p", { class: "explained", "aria-live": "polite" });
  const node = element("div", { class: "poking" }, element("div", { class: "poke-tools" }, tools.node, brush.node, clear), told);

  /** At another state than before the older strokes are undone: they were of that one. */
  const add = (stroke) => {
    const { state, steps, at, strokes, brush: r } = get();
    const moved = state !== at && state < steps;
    const before = moved ? [] : strokes.slice(0, MOST - 1);
    change({ at: moved ? state : at, strokes: [...before, { ...stroke, r }] });
  };
  const place = (box, event) => {
    const cell = (value, from, size) => Math.min(side - 1, Math.max(0, Math.floor((side * (value - from)) / Math.max(1, size))));
    return { x: cell(event.clientX, box.left, box.width), y: cell(event.clientY, box.top, box.height) };
  };
  const same = (a, b) => a !== null && b !== null && a.x === b.x && a.y === b.y;
  const moveTo = (found) => {
    ring = found;
    change({});
  };
  const apply = () => {
    if (get().tool === "noise") return add(ring);
    if (first === null || same(first, ring)) first = first === null ? ring : null;
    else {
      const [from, to] = [first, ring];
      first = null;
      return add({ ...from, to });
    }
    return change({});
  };
  const listen = (stage, isOn) => {
    let held = null; // the box of the picture that is drawn on: its canvas is made anew meanwhile
    const boxUnder = (event) => event.target.closest?.("figure:not(:last-child)")?.querySelector("canvas").getBoundingClientRect();
    stage.addEventListener("pointerdown", (event) => {
      held = isOn() && event.button === 0 ? boxUnder(event) : null;
      if (!held) return;
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      drawing = true;
      ring = place(held, event);
      apply();
    });
    stage.addEventListener("pointermove", (event) => {
      if (!isOn() || (!drawing && event.pointerType === "touch")) return;
      const over = drawing ? held : boxUnder(event);
      const found = over ? place(over, event) : null;
      if (same(found, ring) || (found === null && ring === null)) return;
      ring = found;
      if (drawing && get().tool === "noise") apply();
      else change({});
    });
    const end = () => {
      if (!drawing) return;
      drawing = false;
      if (get().tool === "swap" && first !== null && !same(first, ring)) apply();
      change({ follow: true });
    };
    stage.addEventListener("pointerup", end);
    stage.addEventListener("pointercancel", end);
    stage.addEventListener("pointerleave", () => !drawing && isOn() && ring && moveTo(null));
  };
  const by = (across, down) => () => {
    const inside = (value) => Math.min(side - 1, Math.max(0, value));
    const { x, y } = ring ?? { x: side / 2, y: side / 2 };
    moveTo({ x: inside(x + across), y: inside(y + down) });
  };
  const keys = {
    w: by(0, -1), a: by(-1, 0), s: by(0, 1), d: by(1, 0),
    Enter: () => {
      if (!ring) return by(0, 0)();
      apply();
      return first === null && change({ follow: true });
    },
    Escape: () => {
      first = null;
      moveTo(null);
    },
  };
  const set = (panels, on) => {
    const { tool, brush: r, strokes } = get();
    node.hidden = !on;
    tools.set(tool);
    brush.set(r - BRUSH.least);
    clear.disabled = !strokes.length;
    for (const { node: figure } of panels) {
      figure.querySelectorAll(".brush").forEach((old) => old.remove());
      const marks = on ? [first, ring].filter((mark) => mark !== null) : [];
      figure.append(...marks.map(({ x, y }) => {
        const mark = element("i", { class: "spot brush" });
        mark.style.setProperty("--x", String((x + 0.5) / side));
        mark.style.setProperty("--y", String((y + 0.5) / side));
        mark.style.setProperty("--wide", String((2 * r + 1) / side));
        return mark;
      }));
    }
  };
  const tell = (words) => {
    if (told.textContent !== words) told.textContent = words;
  };
  return { node, keys, listen, set, tell };
}
