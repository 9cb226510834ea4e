/** The stage: pictures as large as the window allows, one or several of one size, or two with a seam between them. */

import { element } from "./dom.js";
import { fitPanels } from "./fit.js";

const GAP = 12;
const LEAST = 240; // pixels of height that the stage always gets
const READABLE = 150; // pixels of width that pictures keep their captions beside what they show at
const FEW = 8; // panels of which a phone's page shows two in a row before it makes them smaller than that

/** Return {node, show, layOut}. */
export function makeStage() {
  const node = element("div", { class: "stage" });
  let [panels, ratio, seam] = [[], 1, null];

  /**
   * Make a panel for each of `captions`: words, or {text, colour}; split: two of them over
   * each other. onChoose(index): one of several was clicked. Returns panels {canvas, frame, tell, blank}: frame(on), tell(words) changes
   * the caption, blank(words) hides the picture behind words that say why, blank(null) shows it again.
   * @param {{captions: any[], proportion: number, split?: boolean, label?: string, onChoose?: (index: number) => void}} wanted
   */
  const show = ({ captions, proportion, split, label, onChoose }) => {
    ratio = proportion;
    const choose = (i) => (onChoose && !split && captions.length > 1 ? () => onChoose(i) : null);
    panels = captions.map((words, i) => makePanel(words, split ? ["left", "right"][i] : "left", choose(i)));
    seam = split ? makeSeam(panels, label) : null;
    const inside = split ? [element("div", { class: "split" }, ...panels.map((p) => p.node), ...seam)] : panels.map((p) => p.node);
    node.replaceChildren(...inside);
    return panels;
  };

  /**
   * Fit the panels into width × height pixels, `gain` as in fitPanels; returns the pixels that they really take.
   * grows: the page scrolls anyway, so a few panels may take more height to stay readable.
   */
  const layOut = (width, height, gain, grows = false) => {
    const count = seam ? 1 : Math.max(1, panels.length);
    const two = Math.floor((width - GAP) / 2);
    let fit = fitPanels(count, ratio, width, Math.max(LEAST, height), GAP, gain);
    if (grows && count <= FEW && fit.width < Math.min(READABLE, two)) fit = { ...fit, columns: 2, width: two };
    node.style.setProperty("--columns", String(fit.columns));
    node.style.setProperty("--wide", `${fit.width}px`);
    node.style.setProperty("--ratio", String(ratio));
    return fit.columns * (fit.width + GAP) - GAP;
  };
  return { node, show, layOut };
}

function makePanel(words, side, onclick) {
  const { text, colour } = typeof words === "string" ? { text: words } : words;
  const canvas = element("canvas", { role: "img", "aria-label": text });
  const caption = text ? element("figcaption", { class: colour ? `${side} coloured` : side, text, colour }) : null;
  const why = element("p", { class: "why" });
  const node = element("figure", { onclick }, canvas, caption, why);
  const tell = (said) => {
    if (!caption || caption.textContent === said) return;
    caption.textContent = said;
    canvas.setAttribute("aria-label", said);
  };
  const blank = (said) => {
    why.textContent = said ?? "";
    node.classList.toggle("blank", said !== null);
  };
  const frame = (on) => node.classList.toggle("now", on);
  return { canvas, node, tell, blank, frame };
}

/**
 * The seam between two pictures: a slider as large as the picture, and the line that shows where it stands.
 * @param {any[]} two
 * @param {string} label
 */
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
