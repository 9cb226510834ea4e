/** The step strip: a small picture of every state, the present one framed; drag over it to scrub. */

import { draggable, element } from "./dom.js";
import { hoverHint } from "./plot.js";

const GAP = 3;
const LEAST = 22; // pixels a picture is wide; with more states than fit, only every so many is drawn

/**
 * onScrub(index, share), hint(index, share): the state under the pointer, and where in the strip that is, 0..1.
 * count: states. picture(index): what to draw, a canvas or bitmap, or nothing yet. ratio: width / height.
 * Returns {node, draw, move, pitch}: pitch() is the pixels from one state to the next.
 */
export function makeStrip({ count, ratio, picture, smooth, onScrub, hint }) {
  const canvas = element("canvas", { class: "thumbs", "aria-hidden": "true" });
  const frame = element("i", { class: "frame" });
  const node = element("div", { class: "strip" }, canvas, frame);
  const pitch = () => (node.clientWidth + GAP) / count;
  const at = (share) => Math.min(count - 1, Math.floor(share * count));
  draggable(node, (share) => onScrub(at(share), share));
  if (hint) hoverHint(node, node, (share) => hint(at(share), share));
  const every = () => Math.max(1, Math.ceil(LEAST / pitch()));
  const draw = () => {
    const scale = window.devicePixelRatio || 1;
    const width = pitch() * every() - GAP;
    const height = Math.min(56, Math.round(width / ratio));
    canvas.width = Math.round(node.clientWidth * scale);
    canvas.height = Math.round(height * scale);
    node.style.setProperty("--height", `${height}px`);
    const ink = canvas.getContext("2d");
    ink.scale(scale, scale);
    ink.imageSmoothingEnabled = smooth();
    ink.imageSmoothingQuality = "high";
    for (let index = 0; index < count; index += every()) {
      const source = picture(index);
      if (source) cover(ink, source, index * pitch(), width, height);
    }
  };
  const move = (index) => {
    const shown = Math.floor(index / every()) * every();
    node.style.setProperty("--left", `${shown * pitch()}px`);
    node.style.setProperty("--width", `${pitch() * every() - GAP}px`);
    node.style.setProperty("--now", String(index));
  };
  return { node, draw, move, pitch: () => pitch() };
}

/** Draw the middle of `source` so that it fills a box of width × height. */
function cover(ink, source, left, width, height) {
  const scale = Math.max(width / source.width, height / source.height);
  const [w, h] = [width / scale, height / scale];
  ink.drawImage(source, (source.width - w) / 2, (source.height - h) / 2, w, h, left, 0, width, height);
}
