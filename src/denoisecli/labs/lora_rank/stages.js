/** Several stages in one place, of which one is seen. */

import { element } from "../../media/page/dom.js";

/** stages: {name: {node, layOut}}. Returns a stage for makeShell, {node, layOut, use}: use(name) brings one forward. */
export function makeStages(stages) {
  let now = Object.keys(stages)[0];
  const node = element("div", { class: "stages" }, ...Object.values(stages).map((stage) => stage.node));
  const use = (name) => {
    now = name;
    Object.entries(stages).forEach(([key, stage]) => (stage.node.hidden = key !== name));
  };
  use(now);
  return { node, use, layOut: (...room) => stages[now].layOut(...room) };
}
