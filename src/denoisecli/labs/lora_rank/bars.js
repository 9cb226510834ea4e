/** Bars for singular values: those that are kept stand out. */

import { draggable, element, keepFitted } from "../../media/page/dom.js";
import { sentences } from "../../media/page/plot.js";

/**
 * onScrub(share): they were dragged to 0..1 of the width, or nothing. Returns {node, draw}: draw(values, kept) shows
 * the values, the first `kept` of them in amber, under the title or what is said instead.
 * caption: what stands under them.
 * @param {{title: string, caption: string, onScrub?: (share: number) => void}} wanted
 */
export function makeBars({ title, caption, onScrub }) {
  const words = element("div", { class: "plot-title", text: title });
  const canvas = element("canvas", { class: "bars", role: "img", "aria-label": `${title}. ${caption}` });
  const node = element("div", { class: "bars-box" }, words, element("div", { class: "bars-area" }, canvas),
    element("p", { class: "plot-caption" }, ...sentences(caption)));
  let last = null;
  if (onScrub) {
    draggable(canvas, (share) => onScrub(share));
    canvas.classList.add("scrubs");
  }
  const redraw = keepFitted(canvas, () => {
    if (!last) return;
    const { values, kept } = last;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (!width || !height) return;
    Object.assign(canvas, { width, height });
    const ink = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const [most, pitch] = [Math.max(...values) || 1, width / values.length];
    const gap = Math.min(3 * scale, 0.3 * pitch);
    values.forEach((value, i) => {
      const tall = Math.max(scale, (value / most) * height);
      ink.fillStyle = style.getPropertyValue(i < kept ? "--amber" : "--tick");
      ink.fillRect(i * pitch, height - tall, pitch - gap, tall);
    });
  });
  const draw = (values, kept, said = title) => {
    last = { values, kept };
    words.textContent = said;
    redraw();
  };
  return { node, draw };
}
