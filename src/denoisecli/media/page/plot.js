/** Line plots that are read at a glance: direct labels, no legend, no frame, a playhead that can be dragged. */

import { labelPlace, smoothPath } from "./curve.js";
import { draggable, element, keepFitted, svg } from "./dom.js";

const PAD = { left: 7, right: 7, top: 8, bottom: 24 };
const [NOW, OTHER] = [5.5, 3.5]; // pixels, radii of the dots
const TEXT = 13; // pixels, the size of all words

/**
 * Return {node, draw, move, accent}.
 * draw({title, caption, curves, thresholds, ends, x, top}) lays everything out that stays while the playhead moves:
 *   curves [{label, role or colour, values, faint?: [values, …]}] with null where nothing is known; x: positions in 0..1;
 *   thresholds [{value, text, role}]; ends: the words under both ends of the axis; top, low = 0: values at the edges.
 *   behind: [{values, role}], thin lines without a name.
 * now: which of the curves is the one at hand; the others are thin then.
 * accent(index) makes another curve the one at hand, without laying anything out again.
 * move(index) puts the playhead at that value of the curves, or between two of them. onScrub(share): it is dragged to 0..1.
 * @param {{onScrub?: (share: number) => void, hint?: any}} wanted
 */
export function makePlot({ onScrub, hint }) {
  const title = element("div", { class: "plot-title" });
  const canvas = svg("svg", { class: "plot", role: "img", focusable: "false" });
  const place = element("div", { class: "plot-area" }, canvas);
  const caption = element("p", { class: "plot-caption" });
  const node = element("div", { class: "plot-box" }, title, place, caption);
  let [wanted, now, frame] = [null, 0, null];
  const redraw = keepFitted(place, () => {
    if (!wanted || !canvas.clientWidth) return;
    frame = drawStill(canvas, wanted);
    movePlayhead(frame, wanted, now);
  });
  if (onScrub) {
    draggable(canvas, (share) => onScrub(inside(share, canvas.clientWidth)));
    canvas.classList.add("scrubs");
    if (hint) hoverHint(place, canvas, (share) => hint(inside(share, canvas.clientWidth)));
  }
  return {
    node,
    draw: (plot) => {
      wanted = plot;
      title.textContent = plot.title;
      caption.replaceChildren(...sentences(plot.caption ?? ""));
      canvas.setAttribute("aria-label", [plot.said ?? plot.title, plot.caption].filter(Boolean).join(". "));
      redraw();
    },
    accent: (index) => {
      wanted.now = index;
      if (!frame) return;
      frame.lines.forEach((line, i) => line.classList.toggle("calm", i !== index));
      frame.dots.forEach((dot, i) => dot.setAttribute("r", i === index ? NOW : OTHER));
    },
    move: (index) => {
      now = index;
      if (frame) movePlayhead(frame, wanted, index);
    },
  };
}

/** Return a caption's first sentence, and the others, which low windows leave to the legend. */
export function sentences(caption) {
  const end = caption.indexOf(". ") + 1 || caption.length;
  return caption ? [caption.slice(0, end), element("span", { class: "more", text: caption.slice(end) })] : [];
}

function inside(share, width) {
  return Math.min(1, Math.max(0, (share * width - PAD.left) / Math.max(1, width - PAD.left - PAD.right)));
}

/** Where value number `index` stands, 0..1. */
function spot(plot, index) {
  return plot.x ? between(plot.x, index) : index / Math.max(1, plot.curves[0].values.length - 1);
}

/** The value of `values` at `index`, on a straight line where it lies between two; null where one of them is unknown. */
function between(values, index) {
  const [low, high] = [values[Math.floor(index)], values[Math.ceil(index)]];
  if (low === null || high === null || low === undefined || high === undefined) return null;
  return low + (high - low) * (index - Math.floor(index));
}

function drawStill(canvas, plot) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const area = { left: PAD.left, right: width - PAD.right, top: PAD.top, bottom: height - PAD.bottom };
  const toX = (share) => area.left + share * (area.right - area.left);
  const low = plot.low ?? 0;
  const toY = (value) => area.bottom - Math.max(0, Math.min(1.15, (value - low) / (plot.top - low || 1))) * (area.bottom - area.top);
  const points = (values) => values.map((value, i) => [toX(spot(plot, i)), value === null ? null : toY(value)])
    .filter(([, y]) => y !== null);
  canvas.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const line = (values, kind, { role = "", colour }) =>
    svg("path", { d: smoothPath(points(values)), class: `${kind} ${role}`, colour });
  const curves = plot.curves.map((curve, i) => line(curve.values, (plot.now ?? i) === i ? "curve" : "curve calm", curve));
  const clip = svg("clipPath", { id: "plot-area" }, svg("rect", { x: 0, y: area.top - 4, width, height: height }));
  const lines = svg("g", { "clip-path": "url(#plot-area)" },
    ...(plot.behind ?? []).map((curve) => line(curve.values, "faint", curve)),
    ...plot.curves.flatMap((curve) => (curve.faint ?? []).map((values) => line(values, "faint", curve))),
    ...curves);
  const still = [
    clip,
    svg("line", { class: "axis", x1: 0, x2: width, y1: area.bottom, y2: area.bottom }),
    svg("text", { x: area.left - 7, y: height - 5, text: plot.ends[0] }),
    svg("text", { x: area.right + 7, y: height - 5, "text-anchor": "end", text: plot.ends[1] }),
    ...(plot.thresholds ?? []).map(({ value, role }) => svg("line",
      { class: `threshold ${role}`, x1: area.left, x2: area.right, y1: toY(value), y2: toY(value) })),
    lines,
  ];
  const playhead = svg("line", { class: "playhead", y1: area.top - 6, y2: area.bottom });
  const dots = plot.curves.map(({ role = "", colour }, i) =>
    svg("circle", { class: `dot ${role}`, colour, r: (plot.now ?? i) === i ? NOW : OTHER }));
  canvas.replaceChildren(...still, playhead, ...dots, ...names(plot, area, points, toY));
  return { toX, toY, playhead, dots, area, lines: curves };
}

/** The names of the curves and thresholds, each at the free place nearest to its line. */
function names(plot, area, points, toY) {
  const bend = (values) => points(values).flatMap(([x, y], i, all) => {
    if (i === 0) return [[x, y]];
    const [x0, y0] = all[i - 1];
    const parts = Math.max(1, Math.ceil((x - x0) / 8));
    return Array.from({ length: parts }, (_, k) => [x0 + ((x - x0) * (k + 1)) / parts, y0 + ((y - y0) * (k + 1)) / parts]);
  });
  const lines = plot.curves.map(({ values }) => bend(values));
  const rules = (plot.thresholds ?? []).map(({ value }) => [[area.left, toY(value)], [area.right, toY(value)]]);
  const thin = [...(plot.behind ?? []).map(({ values }) => values), ...plot.curves.flatMap(({ faint }) => faint ?? [])].flatMap(bend);
  const placed = [];
  /** @type {(text: string, look: {role?: string, colour?: string}, place: number[], width: number) => SVGElement} */
  const put = (text, { role = "", colour }, place, width) => {
    if (!place) return null;
    placed.push({ x: place[0], y: place[1], width, height: TEXT + 4 });
    const patch = svg("rect", { class: "patch", x: place[0] - width / 2 - 3, y: place[1] - TEXT * 0.6, width: width + 6, height: TEXT * 1.25 });
    return svg("g", {}, patch, svg("text", { class: `name ${role}`, colour, x: place[0], y: place[1] + TEXT * 0.35, "text-anchor": "middle", text }));
  };
  const found = (plot.thresholds ?? []).map(({ value, text, role }) => {
    const width = widthOf(text);
    const y = toY(value) - TEXT * 0.8;
    const clear = (x) => lines.every((line) => line.every(([px, py]) =>
      Math.abs(px - x) > width / 2 + 4 || Math.abs(py - y) > TEXT * 0.7));
    const free = (x) => placed.every((other) => Math.abs(other.x - x) * 2 > other.width + width || Math.abs(other.y - y) > TEXT);
    const x = [area.right - width / 2, area.left + width / 2].find((place) => clear(place) && free(place));
    return x === undefined ? null : put(text, { role }, [x, y], width);
  });
  plot.curves.forEach((curve, i) => {
    const others = [...lines.filter((_, k) => k !== i).flat(), ...rules.flatMap(([[x0, y], [x1]]) =>
      Array.from({ length: 60 }, (_, k) => [x0 + ((x1 - x0) * k) / 59, y]))];
    if (!curve.label) return;
    const width = widthOf(curve.label);
    const rivals = plot.curves.length > 1 || rules.length ? others : [];
    const place = labelPlace(width, TEXT, area, lines[i], [...rivals, ...thin], placed) ?? labelPlace(width, TEXT, area, lines[i], rivals, placed);
    found.push(put(curve.label, curve, place, width));
  });
  return found.filter(Boolean);
}

let ruler = null;
function widthOf(text) {
  ruler ??= document.createElement("canvas").getContext("2d");
  ruler.font = `${TEXT}px Inter, system-ui, sans-serif`;
  return ruler.measureText(text).width;
}

function movePlayhead({ toX, toY, playhead, dots, area }, plot, index) {
  const x = toX(spot(plot, index));
  playhead.setAttribute("x1", x);
  playhead.setAttribute("x2", x);
  dots.forEach((dot, i) => {
    const value = between(plot.curves[i].values, index);
    dot.setAttribute("visibility", value === null ? "hidden" : "visible");
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", Math.max(area.top, toY(value ?? 0)));
  });
}

/** A small line of words that follows the pointer over `target`; said(across, down), both 0..1, is what stands there. */
export function hoverHint(node, target, said) {
  const tip = element("output", { class: "tip", "aria-hidden": "true" });
  node.append(tip);
  target.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const box = target.getBoundingClientRect();
    const clamped = (value) => Math.min(1, Math.max(0, value));
    const share = clamped((event.clientX - box.left) / Math.max(1, box.width));
    tip.textContent = said(share, clamped((event.clientY - box.top) / Math.max(1, box.height)));
    tip.classList.add("on");
    const left = Math.min(Math.max(0, share * box.width - tip.offsetWidth / 2), box.width - tip.offsetWidth);
    tip.style.setProperty("left", `${left}px`);
  });
  target.addEventListener("pointerleave", () => tip.classList.remove("on"));
}
