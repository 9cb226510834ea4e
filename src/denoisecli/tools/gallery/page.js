/** Many runs: filter and sort their cards, open one, hold two against each other. */

import { bytesOf } from "../../media/page/bytes.js";
import { makeCards } from "./cards.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { megabytes, ordered, ORDERS, passes } from "./runs.js";
import { makeVersus } from "./versus.js";

export function lab(data, blobs) {
  const runs = data.runs.map((run, number) => ({ ...run, number }));
  const labs = [...new Set(runs.map((run) => run.lab))].sort();
  const coded = (name) => blobs.pictures[blobs.pictures[name].as ?? name]; // equal pictures are embedded once
  const blobOf = (number) => new Blob([bytesOf(coded(`thumb/${number}`))], { type: "image/webp" });

  const search = element("input", {
    type: "search", placeholder: "prompt, model, cfg 12, seed 7, …", "aria-label": "filter", "aria-keyshortcuts": "/",
    title: "words match from their start, numbers whole; cfg 12 and sampler=euler match that setting",
    oninput: () => store.change({ words: search.value }),
  });
  const choose = makeTabs({
    label: "lab", onChoose: (name) => store.change({ lab: name }),
    choices: [{ value: "", text: "All" }, ...labs.map((value) => ({ value, text: value }))],
  });
  const order = element("select", { "aria-label": "order", onchange: () => store.change({ order: order.value }) },
    ...Object.entries(ORDERS).map(([value, { text }]) => element("option", { value, text })));
  const count = element("p", { class: "meta", "aria-live": "polite" });
  const versus = makeVersus({ blobOf, onClose: () => store.change({ picked: [] }) });
  const cards = makeCards({ blobOf, onPick: (number) => store.change({ picked: picked(store.state.picked, number) }) });
  const none = element("p", { class: "none", text: "No run matches." });
  document.body.classList.add("gallery");
  document.body.append(
    element("header", {}, element("div", {}, element("h1", { text: data.title }), count),
      data.live ? element("a", { class: "try", href: data.live, text: "Try it live" }) : null),
    element("section", { class: "controls", "aria-label": "filter and order" }, search, labs.length > 1 ? choose.node : null, order),
    versus.node, element("main", {}, cards.node, none),
    element("footer", {}, element("span", { class: "keys", text: "/ filter · tick two runs to compare them · Esc close" })));

  let drawn = {};
  const store = makeStore({ words: "", lab: "", order: "newest", picked: [] }, (state) => {
    const shown = ordered(runs.filter((run) => passes(run, state)), state.order);
    if (drawn.words !== state.words || drawn.lab !== state.lab || drawn.order !== state.order) {
      cards.show(shown);
      none.hidden = shown.length > 0;
      choose.set(state.lab);
      const of = shown.length === runs.length ? "" : ` of ${runs.length}`;
      count.textContent = `${shown.length}${of} run${runs.length === 1 ? "" : "s"} · ${megabytes(shown.reduce((sum, run) => sum + run.bytes, 0))}`;
    }
    if (drawn.picked !== state.picked) {
      cards.mark(state.picked);
      versus.show(state.picked.length === 2 ? state.picked.map((number) => runs[number]) : null);
    }
    drawn = { ...state };
  });
  listen({
    "/": () => search.focus(),
    Escape: () => store.change(search === document.activeElement ? { words: (search.value = "") } : { picked: [] }),
  });
  store.change();
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => cards.seen().then(done))));
}

/** Two at the most are picked: a third takes the place of the second. */
export function picked(before, number) {
  if (before.includes(number)) return before.filter((other) => other !== number);
  return before.length < 2 ? [...before, number] : [before[0], number];
}
