/** A card for each run; its picture is made when it comes near the window. */

import { element } from "../../media/page/dom.js";
import { megabytes } from "./runs.js";

const STATES = { partial: "not finished", failed: "failed" };

/** blobOf(number) → its picture. Returns {node, show(runs), mark(numbers), seen()}. */
export function makeCards({ blobOf, onPick }) {
  const node = element("ul", { class: "cards" });
  const made = new Map();
  const load = (image) => {
    watch.unobserve(image);
    image.src = URL.createObjectURL(blobOf(Number(image.dataset.number)));
  };
  const watch = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => load(target)), { rootMargin: "600px" });
  window.addEventListener("beforeprint", () => node.querySelectorAll("img:not([src])").forEach(load)); // paper shows all of them
  const cardOf = (run) => {
    if (!made.has(run.number)) made.set(run.number, makeCard(run, watch, onPick));
    return made.get(run.number).node;
  };
  return {
    node,
    show: (shown) => node.replaceChildren(...shown.map(cardOf)),
    mark: (numbers) => made.forEach((card, number) => card.mark(numbers.includes(number))),
    /** Resolves when the pictures in the window are decoded. */
    seen: async () => {
      await new Promise((done) => setTimeout(done, 60)); // the observer has told which
      await Promise.all([...node.querySelectorAll("img[src]")].slice(0, 40).map((image) => image.decode().catch(() => null)));
    },
  };
}

/** The words with each dot on the line of what stands before it. */
const dotted = (words) => words.replaceAll(" · ", "\u00a0· ");

function makeCard(run, watch, onPick) {
  const title = run.href
    ? element("a", { href: run.href, text: run.title })
    : element("span", { text: run.title });
  const box = element("input", { type: "checkbox", "aria-label": `compare ${run.title}, ${run.settings}`, onchange: () => onPick(run.number) });
  const picture = run.picture ? element("img", { alt: "", "data-number": run.number }) : element("div", { class: "empty", text: run.error ? "" : "no picture" });
  if (run.picture) watch.observe(picture);
  const state = STATES[run.state];
  const node = element("li", { class: `card ${run.state}` },
    element("div", { class: "picture" }, picture, state ? element("span", { class: "state", text: state }) : null,
      run.state === "done" ? element("label", { class: "pick" }, box, element("span", { text: "compare", "aria-hidden": "true" })) : null),
    element("h2", {}, title),
    element("p", { class: "settings", text: run.error ?? dotted(run.settings) }),
    element("p", { class: "facts", text: dotted([run.lab, run.created?.slice(0, 16).replace("T", "\u00a0"), megabytes(run.bytes)].filter(Boolean).join(" · ")) }));
  return { node, mark: (on) => {
    box.checked = on;
    node.classList.toggle("picked", on);
  } };
}
