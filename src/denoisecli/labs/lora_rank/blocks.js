/** Where a LoRA's change is: a bar for each block, filled as far as a cut keeps it; under them the spectrum of any part. */

import { makeBars } from "./bars.js";
import { element } from "../../media/page/dom.js";
import { tenths } from "../../media/page/numbers.js";
import { keptOf } from "./product.js";

const WIDEST = 860; // pixels
const [LEAST, MOST] = [22, 36]; // pixels that a block's bar takes

/**
 * blocks: [{name, share, kept: [of each cut]}]; spectra: [{name, group, values, ranks: [of each cut]}];
 * captions: of both charts, {blocks, spectrum}.
 * Returns {node, layOut, draw, thumb}: a stage; draw(cut); thumb(cut): a small canvas of the bars.
 */
export function makeBlocks(blocks, spectra, captions) {
  const longest = Math.max(...blocks.map(({ share }) => share)) || 1;
  const fills = blocks.map(() => element("i", { class: "fill" }));
  const rows = blocks.map(({ name, share }, i) => {
    const track = element("div", { class: "track" }, fills[i]);
    track.style.setProperty("--share", String(share / longest));
    return element("li", {}, element("span", { text: name }), track, element("b", { text: tenths(share) }));
  });
  const picker = element("select", { "aria-label": "spectrum of", onchange: () => spectrum(cutNow) }, ...grouped(spectra));
  const bars = makeBars({ title: "singular values", caption: captions.spectrum });
  const node = element("div", { class: "stage blocks" },
    element("div", { class: "plot-title", text: "where the change is, and how much of it is kept" }), element("ul", {}, ...rows),
    element("p", { class: "plot-caption", text: captions.blocks }),
    element("div", { class: "picker" }, picker, bars.node));
  let cutNow = 0;
  const spectrum = (cut) => {
    const { values, ranks } = spectra[Number(picker.value)];
    const rank = Math.min(ranks[cut], values.length);
    bars.draw(values, rank, `singular values · rank ${rank} of ${values.length} keeps ${tenths(keptOf(values).energy[rank - 1])}`);
  };
  const draw = (cut) => {
    cutNow = cut;
    blocks.forEach(({ share, kept }, i) => fills[i].style.setProperty("width", `${Math.min(100, (100 * kept[cut]) / (share || 1))}%`));
    spectrum(cut);
  };
  const layOut = (width, height) => {
    const row = Math.max(LEAST, Math.min(MOST, (height - 260) / blocks.length));
    node.style.setProperty("--bar", `${row}px`);
    return Math.min(width, WIDEST);
  };
  const thumb = (cut) => {
    const canvas = element("canvas", { width: 96, height: 64 });
    const ink = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const fill = (role, x, y, width, height) => {
      ink.fillStyle = style.getPropertyValue(role);
      ink.fillRect(x, y, width, height);
    };
    fill("--panel", 0, 0, 96, 64);
    const pitch = 56 / blocks.length;
    blocks.forEach(({ share, kept }, i) => {
      const y = 4 + i * pitch;
      fill("--tick", 4, y, (88 * share) / longest, 0.7 * pitch);
      fill("--amber", 4, y, (88 * kept[cut]) / longest, 0.7 * pitch);
    });
    return canvas;
  };
  return { node, layOut, draw, thumb };
}

function grouped(spectra) {
  const groups = new Map();
  spectra.forEach(({ name, group }, value) => {
    if (!groups.has(group)) groups.set(group, element("optgroup", { label: group }));
    groups.get(group).append(element("option", { value, text: name }));
  });
  return groups.values();
}
