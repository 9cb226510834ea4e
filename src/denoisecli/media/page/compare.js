/** What is compared with what: one of several, all of them in step, or two with a seam between them. */

import { element } from "./dom.js";
import { makeTabs } from "./tabs.js";

const NAMES = { one: "One", all: "All", split: "Split" };

/** Return the ways to compare `count` things. */
export function modesOf(count) {
  return count > 1 ? Object.keys(NAMES) : ["one"];
}

/** Another one is at hand: alone, one of all, or, under the seam, at its right; the one there goes to the left. */
export function atHand({ now, other, mode }, index) {
  return { now: index, other: index === now ? other : now, mode };
}

/** Another one was chosen to be seen: atHand, but never one of all. */
export function chosen(state, index) {
  return { ...atHand(state, index), mode: state.mode === "split" ? "split" : "one" };
}

/** Under the seam there are two: the one at hand and the one before it, or the next one. */
export function inMode({ now, other }, mode, count) {
  if (mode !== "split" || other !== now) return { mode };
  return { mode, other: now, now: (now + 1) % count };
}

/** Return which are seen, from left to right. */
export function seen({ now, other, mode }, count) {
  if (mode === "all") return Array.from({ length: count }, (_, i) => i);
  return mode === "split" ? [other, now] : [now];
}

/**
 * The switch between the ways, and, with `names`, between the things: {node, set, choose, turn, next}; node is null where there is
 * nothing to compare. get() → {now, other, mode}; change(patch) takes changes of it. label: what the things are.
 * @param {{label: string, names?: string[], count: number, get: () => any, change: (patch: any) => void}} wanted
 */
export function makeCompare({ label, names, count, get, change }) {
  const modes = modesOf(count);
  const things = names && makeTabs({
    label, choices: names.map((text, value) => ({ value, text })), onChoose: (index) => change(chosen(get(), index)),
  });
  const mode = makeTabs({
    label: "compare", choices: modes.map((value) => ({ value, text: NAMES[value] })),
    onChoose: (value) => change(inMode(get(), value, count)),
  });
  const turn = (step) => () => change(chosen(get(), (get().now + step + count) % count));
  return {
    node: modes.length > 1 ? element("div", { class: "choose" }, things?.node, mode.node) : null,
    set: (state) => {
      mode.set(state.mode);
      things?.set(...seen(state, count));
    },
    turn,
    choose: (index) => change(chosen(get(), index)),
    next: () => change(inMode(get(), modes[(modes.indexOf(get().mode) + 1) % modes.length], count)),
  };
}
