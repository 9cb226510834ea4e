/** What is there where the model cannot run: one sentence, and the run that the file was made from as pictures. */

import { bytesOf } from "../../media/page/bytes.js";
import { element } from "../../media/page/dom.js";

/** error: what went wrong; blobs.pictures: base64 WebPs by name. Replaces the page. */
export function standIn(data, blobs, error) {
  const coded = blobs?.pictures ?? JSON.parse(document.getElementById("blobs").textContent).pictures;
  const pictures = data.kept.map(({ name, caption }) => {
    const text = coded[coded[name].as ?? name];
    const image = element("img", { src: URL.createObjectURL(new Blob([bytesOf(text)], { type: "image/webp" })), alt: caption });
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
