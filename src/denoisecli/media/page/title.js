/** The words in the head: the prompt and the settings, a few lines of each, and a button for all of them. */

import { element } from "./dom.js";

/** heading: instead of the plain prompt; below: nodes that follow the settings. */
export function makeTitle({ title, settings, heading = element("h1", { text: title }), below = [] }) {
  const lines = [heading, element("p", { class: "meta", text: settings })];
  const more = element("button", { type: "button", class: "unfold", onclick: () => unfold(!node.classList.contains("unfolded")) });
  const node = element("div", { class: "title" }, ...lines, ...below, more);
  const unfold = (on) => {
    node.classList.toggle("unfolded", on);
    more.setAttribute("aria-expanded", String(on));
    more.textContent = on ? "show less" : "show all";
  };
  const offer = () => {
    more.hidden = !node.classList.contains("unfolded") && lines.every((line) => line.scrollHeight <= line.clientHeight + 1);
  };
  unfold(false);
  new ResizeObserver(offer).observe(node);
  document.fonts.addEventListener("loadingdone", offer); // `ready` may come before a typeface is asked for
  return node;
}
