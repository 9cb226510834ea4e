/** A row of choices, one of which is on. */

import { element } from "./dom.js";

/** choices: [{value, text, key}]. Returns {node, set}. */
export function makeTabs({ label, choices, onChoose }) {
  const buttons = choices.map(({ value, text, key, title }) =>
    element("button", { type: "button", title, "aria-keyshortcuts": key, onclick: () => onChoose(value) },
      element("span", { text }), key ? element("kbd", { text: key, "aria-hidden": "true" }) : null));
  const node = element("div", { class: "tabs", role: "group", "aria-label": label }, ...buttons);
  const set = (...values) => buttons.forEach((button, i) =>
    button.setAttribute("aria-pressed", String(values.includes(choices[i].value))));
  return { node, set, buttons };
}
