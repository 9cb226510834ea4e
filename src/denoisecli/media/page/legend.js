/** What the page's words mean: tooltips at the numbers, and all of them in a dialog that "?" opens. */

import { element } from "./dom.js";

const known = new Map();

/** terms: [{name, word, meaning, unit}], as the glossary has them. Returns {button, open}. */
export function makeLegend(terms = []) {
  terms.forEach((term) => known.set(term.name, term));
  if (!terms.length) return { button: null, open: () => {} };
  let dialog = null; // it is in the page while it is open, so that nothing else finds its words there
  const close = () => dialog?.close();
  const open = () => {
    if (dialog) return close();
    const rows = terms.map(({ word, meaning, unit }) => element("div", {}, element("dt", { text: word }),
      element("dd", {}, meaning, unit ? element("small", { text: ` Unit: ${unit}.` }) : null)));
    const done = element("button", { type: "button", class: "close", text: "Close", onclick: close });
    dialog = element("dialog", { class: "legend", "aria-label": "what the words mean" },
      element("h2", { text: "What the words mean" }), element("dl", { tabindex: 0 }, ...rows), done);
    dialog.addEventListener("click", (event) => event.target === dialog && close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      dialog = null;
    });
    document.body.append(dialog);
    dialog.showModal();
    done.focus();
  };
  const button = element("button", { type: "button", class: "ask", "aria-keyshortcuts": "?", title: "what the words mean (?)", onclick: open },
    element("b", { text: "?", "aria-hidden": "true" }), element("span", { text: "legend" }));
  document.addEventListener("keydown", (event) => {
    /** @type {any} */
    const target = event.target;
    const writing = target.matches?.("textarea, input[type=text], input[type=search], input[type=number]");
    if (event.key !== "?" || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    open();
  });
  return { button, open };
}

/** The tooltip of a number called so: what it is, and its unit; null where the glossary has no such word. */
export function meaningOf(name) {
  const term = known.get(name);
  return term ? `${term.word}: ${term.meaning}${term.unit ? ` Unit: ${term.unit}.` : ""}` : null;
}
