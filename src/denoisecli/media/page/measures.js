/** Measured numbers, each with its name: the one that is on is plotted. */

import { element } from "./dom.js";
import { meaningOf } from "./legend.js";

/** names: of the numbers. Returns {node, set, tell}: set(index) switches one on, tell(values) writes all. */
export function makeMeasures({ label, names, onChoose }) {
  const values = names.map(() => element("b"));
  const buttons = names.map((name, index) => element("button", { type: "button", title: meaningOf(name), onclick: () => onChoose(index) },
    element("span", { text: name }), values[index]));
  const node = element("div", { class: "measures", role: "group", "aria-label": label }, ...buttons);
  return {
    node,
    set: (index) => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === index))),
    tell: (said) => said.forEach((text, i) => (values[i].textContent = text)),
  };
}
