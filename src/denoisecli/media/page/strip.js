/** The step strip: whole small pictures of the states, in one row or several, the present one framed; drag to scrub. */

import { draggable, element } from "./dom.js";
import { fitStrip, nearestShown, shownAt } from "./fit.js";
import { hoverHint } from "./plot.js";

/**
 * onScrub(index, along, row), hint(…): the state under the pointer, how far it is from the middle of the first picture to
 * that of the last, 0..1, and the row.
 * count: states; of more than fit, evenly spread ones are drawn, both ends among them.
 * rows: how many at most; where they would get too thin, only the one at hand is drawn.
 * colours: of the rows, shown as a bar before each.
 * picture(index, row): what to draw, a canvas or bitmap, or nothing yet. ratio: width / height.
 * Returns {node, draw, move, pitch}: pitch() is the pixels from one picture to the next; move(index, row).
 */
export function makeStrip({ count, rows = 1, colours = [], ratio, picture, smooth, onScrub, hint }) {
  const canvas = element("canvas", { class: "thumbs", "aria-hidden": "true" });
  const frame = element("i", { class: "frame" });
  const bars = colours.map((colour) => element("i", { class: "bar", colour }));
  const node = element("div", { class: "strip" }, canvas, frame, ...bars);
  const fit = () => fitStrip({ count, rows, ratio, width: node.clientWidth, windowHeight: window.innerHeight });
  const under = (share, down) => {
    const { shown, rows: lines } = fit();
    const along = Math.min(1, Math.max(0, (share * shown - 0.5) / Math.max(1, shown - 1)));
    return [Math.round(along * (count - 1)), along, lines === 1 ? row : Math.min(rows - 1, Math.floor(down * rows))];
  };
  draggable(node, (share, down) => onScrub(...under(share, down)));
  if (hint) hoverHint(node, node, (share, down) => hint(...under(share, down)));
  let row = 0;
  const draw = () => {
    const scale = window.devicePixelRatio || 1;
    const { shown, rows: lines, pitch, width, height, gap } = fit();
    const whole = lines * (height + gap) - gap;
    canvas.width = Math.round(node.clientWidth * scale);
    canvas.height = Math.round(whole * scale);
    node.style.setProperty("--height", `${whole}px`);
    node.style.setProperty("--row", `${height}px`);
    bars.forEach((bar, line) => {
      bar.style.setProperty("top", `${line * (height + gap)}px`);
      bar.hidden = lines === 1;
    });
    const ink = canvas.getContext("2d");
    ink.scale(scale, scale);
    ink.imageSmoothingEnabled = smooth();
    ink.imageSmoothingQuality = "high";
    for (let line = 0; line < lines; line++) {
      for (let place = 0; place < shown; place++) {
        const source = picture(shownAt(place, shown, count), lines === 1 ? row : line);
        if (source) ink.drawImage(source, (place + 0.5) * pitch - (gap + width) / 2, line * (height + gap), width, height);
      }
    }
  };
  const move = (index, inRow = 0) => {
    const { shown, rows: lines, pitch, width, height, gap } = fit();
    if (inRow !== row) {
      row = inRow;
      if (lines === 1) draw();
    }
    node.style.setProperty("--top", `${lines === 1 ? 0 : row * (height + gap)}px`);
    node.style.setProperty("--left", `${(nearestShown(index, shown, count) + 0.5) * pitch - (gap + width) / 2}px`);
    node.style.setProperty("--width", `${width}px`);
    node.style.setProperty("--now", String(index));
  };
  return { node, draw, move, pitch: () => fit().pitch };
}
