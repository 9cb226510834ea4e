/** What a panel shows of a state: its latents as a picture, as colours of cells or as heat. */

import { heatTable } from "../../media/page/colours.js";
import { element } from "../../media/page/dom.js";
import { makeDrawings } from "./drawings.js";
import { makeReach } from "./reach.js";

const LATENT_RANGE = 3; // of the latents' values that are black and white

/**
 * reach: of makeReach; decode, busy, told: of makeDrawings. Panels are those of panelsOf, views canvas, guess and latent.
 * Returns {get, factorOf, isDrawn, want, now}: get(panel, view, k) → a canvas or null; factorOf(panel, view, k): what a guess
 * is drawn with; isDrawn(panels, view, k): no picture of theirs is missing; now(panel, view, k) → a promise of the canvas.
 */
export function makePictures({ side, reach, decode, busy, told }) {
  const cells = makeCells(side);
  const drawable = makeReach(reach);
  const drawings = makeDrawings({ side, decode, busy, told });

  /** {latents, factor}, or null. */
  const shownOf = (panel, view, k) => {
    const { states } = panel.lane;
    const at = Math.min(k, states.length - 1);
    const latents = panel.latents(at, view);
    const maker = states[at]?.lane ?? states[at - 1]?.lane ?? panel.lane; // of a guess that two runs share, the first one
    return latents && view === "guess" && !panel.heat ? drawable(maker, latents) : latents && { latents, factor: 1 };
  };
  const latentsOf = (panel, view, k) => shownOf(panel, view, k)?.latents ?? null;
  const cellsOf = (panel, view, latents) => {
    if (panel.heat) return cells.heat(latents, panel.heat === true ? null : panel.heat);
    return view === "latent" ? cells.colours(latents) : null;
  };
  const get = (panel, view, k) => {
    const latents = latentsOf(panel, view, k);
    return latents && (cellsOf(panel, view, latents) ?? drawings.get(latents));
  };
  const now = async (panel, view, k) => {
    const latents = latentsOf(panel, view, k);
    return latents && (cellsOf(panel, view, latents) ?? (await drawings.now(latents)));
  };
  const isDrawn = (panels, view, k) => view === "latent" || panels.every((panel) => panel.heat || drawings.has(latentsOf(panel, view, k)));

  /** Draw state k of the panels next, or their newest where that is not null; then the strip's panel, and behind a run the rest. */
  const want = async ({ panels, strip, view, k, newest, count }) => {
    if (view === "latent") return;
    const near = Array.from({ length: count }, (_, at) => at).sort((a, b) => Math.abs(a - k) - Math.abs(b - k));
    const drawn = panels.filter(({ heat }) => !heat);
    const each = (at) => drawn.map((panel) => latentsOf(panel, view, at));
    const all = (panel, ofView) => near.map((at) => (at < panel.lane.states.length ? latentsOf(panel, ofView, at) : null));
    const rest = () => [view, view === "guess" ? "canvas" : "guess"].flatMap((ofView) => drawn.flatMap((panel) => all(panel, ofView)));
    await drawings.want([...(newest === null ? [] : each(newest)), ...each(k), ...all(strip, view), ...(busy() ? [] : rest())].filter(Boolean));
  };
  return { get, now, isDrawn, want, factorOf: (panel, view, k) => shownOf(panel, view, k)?.factor ?? 1 };
}

/** Small canvases of latents, one pixel a cell: three channels as colours, or a length as heat. */
function makeCells(side) {
  const made = new WeakMap();
  const canvasOf = (latents, colour) => {
    if (made.has(latents)) return made.get(latents);
    const canvas = element("canvas", { width: side, height: side });
    const image = new ImageData(side, side);
    for (let i = 0; i < side * side; i++) image.data.set([...colour(i), 255], 4 * i);
    canvas.getContext("2d").putImageData(image, 0, 0);
    made.set(latents, canvas);
    return canvas;
  };
  const colours = (latents) => canvasOf(latents, (i) => [0, 1, 2].map((c) => 127.5 * (1 + latents[c * side * side + i] / LATENT_RANGE)));
  const heat = (lengths, far) => {
    const table = heatTable();
    const most = far ?? (Math.max(...lengths) || 1);
    return canvasOf(lengths, (i) => table.subarray(3 * Math.round(255 * Math.min(1, lengths[i] / most))).subarray(0, 3));
  };
  return { colours, heat };
}
