/** What is there where the model cannot run: one sentence, and the run that the file was made from as pictures. */

import { element } from "../../media/page/dom.js";
import { unwritten } from "./stored.js";

const shown = new Map();

/** error: what went wrong. Replaces the page; its pictures are WebPs that the file carries, those that arrived. */
export function standIn(data, error) {
  const arrived = data.kept.map(({ name, caption }) => ({ node: document.getElementById(name) ?? shown.get(name), name, caption })).filter(({ node }) => node);
  const pictures = arrived.map(({ node, name, caption }) => {
    shown.set(name, node); // the page may fail once more
    const image = element("img", { src: URL.createObjectURL(new Blob([unwritten(node.textContent)], { type: "image/webp" })), alt: caption });
    return element("figure", {}, image, element("figcaption", { text: caption }));
  });
  document.body.replaceChildren(
    element("header", {}, element("div", { class: "title" }, element("h1", { text: data.config.prompt }), element("p", { class: "meta", text: data.settings }))),
    element("p", { class: "failed", role: "alert", text: `${sentence(error)} ${pictures.length ? "Here is the run that the file was made from." : ""}`.trim() }),
    element("main", { class: "kept" }, ...pictures));
}

function sentence(error) {
  const text = String(error?.message ?? error).split("\n")[0].slice(0, 300);
  const full = /[.!?]$/.test(text) ? text : `${text}.`;
  return /memory|allocat/i.test(text) ? `There is not enough memory to run the model here: ${full}` : /^(This|There)/.test(full) ? full : `The model cannot run here: ${full}`;
}
