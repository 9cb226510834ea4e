/** The step strip: a small picture of every state, in one row or several, the present one framed; drag to scrub. */

import { draggable, element } from "./dom.js";
import { hoverHint } from "./plot.js";

const GAP = 3;
const LEAST = 22; // pixels a picture is wide; with more states than fit, only every so many is drawn
const LEAST_ROW = 18; // pixels a row is high
const [TALLEST, ROOM] = [56, 128]; // pixels: of one row, and of all rows together where that is less for each

/**
 * onScrub(index, share, row), hint(…): the state under the pointer, where in the strip that is, 0..1, and the row.
 * count: states. rows: how many at most; fewer are drawn where they would get too thin: then only the one at hand.
 * colours: of the rows, shown as a bar before each.
 * picture(index, row): what to draw, a canvas or bitmap, or nothing yet. ratio: width / height.
 * Returns {node, draw, move, pitch}: pitch() is the pixels from one state to the next; move(index, row).
 */
export function makeStrip({ count, rows = 1, colours = [], ratio, picture, smooth, onScrub, hint }) {
  const canvas = element("canvas", { class: "thumbs", "aria-hidden": "true" });
  const frame = element("i", { class: "frame" });
  const bars = colours.map((colour) => element("i", { class: "bar", colour }));
  const node = element("div", { class: "strip" }, canvas, frame, ...bars);
  const pitch = () => (node.clientWidth + GAP) / count;
  const at = (share) => Math.min(count - 1, Math.floor(share * count));
  const rowAt = (down) => (shownRows() === 1 ? row : Math.min(rows - 1, Math.floor(down * rows)));
  draggable(node, (share, down) => onScrub(at(share), share, rowAt(down)));
  if (hint) hoverHint(node, node, (share, down) => hint(at(share), share, rowAt(down)));
  let row = 0;
  const shownRows = () => (rows * (LEAST_ROW + GAP) > ROOM ? 1 : rows);
  const rowHeight = () => {
    const width = pitch() * every() - GAP;
    const most = shownRows() === 1 ? TALLEST : (ROOM + GAP) / shownRows() - GAP;
    return Math.max(LEAST_ROW, Math.min(most, Math.round(width / ratio)));
  };
  const every = () => Math.max(1, Math.ceil(LEAST / pitch()));
  const draw = () => {
    const scale = window.devicePixelRatio || 1;
    const width = pitch() * every() - GAP;
    const height = rowHeight();
    const whole = shownRows() * (height + GAP) - GAP;
    canvas.width = Math.round(node.clientWidth * scale);
    canvas.height = Math.round(whole * scale);
    node.style.setProperty("--height", `${whole}px`);
    node.style.setProperty("--row", `${height}px`);
    bars.forEach((bar, line) => {
      bar.style.setProperty("top", `${line * (height + GAP)}px`);
      bar.hidden = shownRows() === 1;
    });
    const ink = canvas.getContext("2d");
    ink.scale(scale, scale);
    ink.imageSmoothingEnabled = smooth();
    ink.imageSmoothingQuality = "high";
    for (let line = 0; line < shownRows(); line++) {
      for (let index = 0; index < count; index += every()) {
        const source = picture(index, shownRows() === 1 ? row : line);
        if (source) cover(ink, source, index * pitch(), line * (height + GAP), width, height);
      }
    }
  };
  const move = (index, inRow = 0) => {
    if (inRow !== row) {
      row = inRow;
      if (shownRows() === 1) draw();
    }
    node.style.setProperty("--top", `${shownRows() === 1 ? 0 : row * (rowHeight() + GAP)}px`);
    const shown = Math.floor(index / every()) * every();
    node.style.setProperty("--left", `${shown * pitch()}px`);
    node.style.setProperty("--width", `${pitch() * every() - GAP}px`);
    node.style.setProperty("--now", String(index));
  };
  return { node, draw, move, pitch: () => pitch() };
}

/** Draw the middle of `source` so that it fills a box of width × height. */
function cover(ink, source, left, top, width, height) {
  const scale = Math.max(width / source.width, height / source.height);
  const [w, h] = [width / scale, height / scale];
  ink.drawImage(source, (source.width - w) / 2, (source.height - h) / 2, w, h, left, top, width, height);
}
