/** The words in the head: the prompt and the settings, a few lines of each, and a button for all of them. */

import { element } from "./dom.js";

export function makeTitle({ title, settings }) {
  const lines = [element("h1", { text: title }), element("p", { class: "meta", text: settings })];
  const more = element("button", { type: "button", class: "unfold", onclick: () => unfold(!node.classList.contains("unfolded")) });
  const node = element("div", { class: "title" }, ...lines, more);
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
  document.fonts.ready.then(offer);
  return node;
}
