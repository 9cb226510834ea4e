/** The numbers beside the stage: one big, a row of small ones with their names. */

import { element } from "./dom.js";
import { meaningOf } from "./legend.js";

/** Make it after the shell, which knows what the names mean. Return {nodes, tell}; tell(big, beside, values) writes them, `values` one for each of `names`. */
export function makeReadout(names) {
  const [big, beside] = [element("b"), element("span")];
  const cells = names.map((name) => ({ name, value: element("dd") }));
  const tell = (number, words, values) => {
    big.textContent = number;
    beside.textContent = words;
    cells.forEach(({ value }, i) => (value.textContent = values[i]));
  };
  const table = element("dl", {}, ...cells.map(({ name, value }) => element("div", { title: meaningOf(name) }, element("dt", { text: name }), value)));
  return { nodes: [element("p", { class: "hero" }, big, beside), table], table, tell };
}
