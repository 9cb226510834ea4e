/** What the pages of all labs share: title, settings, the places of stage, side and foot, and their fit to the window. */

import { makeCommand } from "./copy.js";
import { element } from "./dom.js";
import { makeLegend } from "./legend.js";
import { makeTitle } from "./title.js";

const SIDE = 380; // pixels that the side has at least, beside the stage
const GAP = 32; // between them, as in style.css
const LEAST = 320; // pixels that the stage has, however narrow its pictures
const GAIN = 1.25; // pictures that much smaller are fine beside a wider side, with nothing blank below them
const YIELDS = [1, 0.9, 0.8, 0.72, 0.65, 0.58, 0.52, 0.46, 0.4]; // shares of its room that a stage takes, the largest beside which all of the side fits
const NARROW = 820; // narrower windows have one column

/**
 * data: {title, settings, command, note?, terms?}; terms: of the legend that "?" opens. title: what stands in the head instead of them. tabs: the switch beside it, or nothing. keys: the line of keys.
 * yields: whether the stage gives up width for a side that fits the window.
 * @param {{data: any, title?: any, stage: any, tabs?: any, keys: string, yields?: boolean}} wanted
 * Returns {side, foot, fit}; fit() lays the stage out again.
 */
export function makeShell({ data, title = makeTitle(data), stage, tabs, keys, yields = false }) {
  const head = element("header", {}, title, tabs ?? null);
  const side = element("section", { class: "side", "aria-label": "numbers" });
  const foot = element("section", { class: "foot", "aria-label": "timeline" });
  const legend = makeLegend(data.terms);
  const hints = element("footer", {}, element("span", { class: "keys", text: keys }), legend.button, data.command ? makeCommand(data.command) : null);
  const notes = data.note ? element("aside", { class: "note", "aria-label": "note", text: data.note }) : null;
  const main = element("main", {}, stage.node, side, foot);
  document.body.append(head, main, hints, ...(notes ? [notes] : []));

  const fit = () => {
    const narrow = window.innerWidth < NARROW;
    const room = main.clientWidth - (narrow ? 0 : SIDE + GAP);
    const height = narrow ? window.innerHeight * 0.6 : window.innerHeight - outside(main, foot);
    const layOut = (high, share = 1) => {
      const taken = stage.layOut(share * room, high, narrow ? 1 : GAIN, narrow);
      main.style.setProperty("--stage", `${Math.max(taken, Math.min(room, LEAST))}px`);
    };
    main.style.setProperty("--room", narrow ? "0px" : `${height}px`);
    const fits = (share) => {
      layOut(height, share);
      return narrow || side.offsetHeight <= height;
    };
    if (yields && YIELDS.some(fits)) return;
    layOut(height);
    if (!narrow && side.offsetHeight > height) layOut(side.offsetHeight); // the page is higher than the window anyway
  };
  const watch = new ResizeObserver(fit);
  [main, head, foot].forEach((node) => watch.observe(node));
  window.addEventListener("resize", fit);
  return { head, side, foot, fit };
}

/** The pixels of height that all but the stage takes. */
function outside(main, foot) {
  const { paddingTop, paddingBottom } = getComputedStyle(document.body);
  /** @type {any[]} */
  const all = [...document.body.children];
  const others = all.filter((node) => node !== main && node.tagName !== "DIALOG");
  const gaps = parseFloat(getComputedStyle(main).paddingTop) + parseFloat(getComputedStyle(main).rowGap);
  const pads = parseFloat(paddingTop) + parseFloat(paddingBottom);
  return Math.ceil(pads + gaps + foot.offsetHeight + others.reduce((sum, node) => sum + node.offsetHeight, 0));
}
