/** The stage: pictures as large as the window allows, one or several of one size, or two with a seam between them. */

import { element } from "./dom.js";
import { fitPanels } from "./fit.js";

const GAP = 12;
const LEAST = 240; // pixels of height that the stage always gets

/** Return {node, show, layOut}. */
export function makeStage() {
  const node = element("div", { class: "stage" });
  let [panels, ratio, seam] = [[], 1, null];

  /** Make `captions.length` panels; split: two of them over each other. Returns their canvases. */
  const show = ({ captions, proportion, split, label }) => {
    ratio = proportion;
    panels = captions.map((text, i) => makePanel(text, split ? ["left", "right"][i] : "left"));
    seam = split ? makeSeam(panels, label) : null;
    const inside = split ? [element("div", { class: "split" }, ...panels.map((p) => p.node), ...seam)] : panels.map((p) => p.node);
    node.replaceChildren(...inside);
    return panels.map((panel) => panel.canvas);
  };

  /** Fit the panels into width × height pixels; returns the pixels that they really take. */
  const layOut = (width, height) => {
    const count = seam ? 1 : Math.max(1, panels.length);
    const fit = fitPanels(count, ratio, width, Math.max(LEAST, height), GAP);
    node.style.setProperty("--columns", String(fit.columns));
    node.style.setProperty("--panel", `${fit.width}px`);
    node.style.setProperty("--ratio", String(ratio));
    return fit.columns * (fit.width + GAP) - GAP;
  };
  return { node, show, layOut };
}

function makePanel(text, side) {
  const canvas = element("canvas", { role: "img", "aria-label": text });
  const caption = text ? element("figcaption", { class: side, text }) : null;
  return { canvas, node: element("figure", {}, canvas, caption) };
}

/** The seam between two pictures: a slider as large as the picture, and the line that shows where it stands. */
function makeSeam([left, right], label) {
  const line = element("i", { class: "seam" });
  const input = element("input", {
    type: "range", class: "seam-slider", min: 0, max: 100, step: 1, value: 50, "aria-label": label,
    oninput: () => move(Number(input.value)),
  });
  const move = (percent) => {
    right.canvas.style.setProperty("clip-path", `inset(0 0 0 ${percent}%)`);
    line.style.setProperty("left", `${percent}%`);
    input.setAttribute("aria-valuetext", `${percent} % ${left.canvas.getAttribute("aria-label")}`);
  };
  move(50);
  return [line, input];
}
