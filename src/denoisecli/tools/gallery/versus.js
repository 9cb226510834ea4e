/** Two runs against each other: their pictures with a seam or side by side, the settings that differ, how both settled. */

import { element } from "../../media/page/dom.js";
import { makeStage } from "../../media/page/panels.js";
import { blit } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { differences } from "./runs.js";
import { makeTabs } from "../../media/page/tabs.js";

const MOST_ROWS = 14;
const WIDEST = 620; // pixels of the stage

/** Returns {node, show(two runs, or null)}. */
export function makeVersus({ blobOf, onClose }) {
  const stage = makeStage();
  const modes = makeTabs({
    label: "compare", onChoose: (mode) => draw({ mode }),
    choices: [{ value: "split", text: "Split" }, { value: "both", text: "Side by side" }],
  });
  const close = element("button", { type: "button", class: "close", text: "Close", onclick: onClose });
  const table = element("table");
  const plot = makePlot({});
  const plotPlace = element("div", { class: "plot-place" }, plot.node);
  const side = element("div", { class: "versus-side" }, element("div", { class: "headline" }, modes.node, close), table, plotPlace);
  const node = element("section", { class: "versus", "aria-label": "two runs compared", hidden: "" }, stage.node, side);
  const state = { runs: null, mode: "split" };

  const fit = () => {
    if (!state.runs) return;
    const wide = node.clientWidth;
    stage.layOut(wide < 820 ? wide : Math.min(wide * 0.58, state.mode === "split" ? WIDEST : 2 * WIDEST), window.innerHeight * 0.62);
  };
  new ResizeObserver(fit).observe(node);

  const draw = async (patch) => {
    Object.assign(state, patch);
    node.hidden = !state.runs;
    if (!state.runs) return;
    modes.set(state.mode);
    const [a, b] = state.runs;
    tell(table, a, b);
    curves(plot, plotPlace, a, b);
    const pictures = await Promise.all([a, b].map((run) => (run.picture ? createImageBitmap(blobOf(run.number)) : null)));
    if (state.runs[0] !== a || state.runs[1] !== b) return;
    const first = pictures.find(Boolean);
    const panels = stage.show({
      captions: ["A", "B"], proportion: first ? first.width / first.height : 1,
      split: state.mode === "split" && pictures.every(Boolean), label: "seam between the two runs",
    });
    panels.forEach((panel, i) => (pictures[i] ? blit(panel.canvas, pictures[i]) : panel.blank("no picture is kept")));
    fit();
  };
  return { node, show: (runs) => draw({ runs }) };
}

/** The settings that differ, with a column for each run. */
function tell(table, a, b) {
  const title = (run) => (run.href ? element("a", { href: run.href, text: run.folder }) : element("span", { text: run.folder }));
  const rows = [...(a.lab === b.lab ? [] : [{ key: "lab", a: a.lab, b: b.lab }]), ...differences(a.config, b.config)];
  const cell = (value) => element("td", { text: value === null ? "–" : String(value) });
  const more = rows.length > MOST_ROWS ? `and ${rows.length - MOST_ROWS} more` : rows.length ? null : "No setting differs.";
  table.replaceChildren(
    element("thead", {}, element("tr", {}, element("th", { scope: "col", text: "differs" }),
      element("th", { scope: "col" }, element("b", { class: "amber", text: "A" }), title(a)),
      element("th", { scope: "col" }, element("b", { class: "teal", text: "B" }), title(b)))),
    element("tbody", {}, ...rows.slice(0, MOST_ROWS).map((row) => element("tr", {}, element("th", { scope: "row", text: row.key }), cell(row.a), cell(row.b))),
      more ? element("tr", {}, element("td", { colspan: 3, class: "more", text: more })) : null));
}

/** How the layout of both settled; nothing where one of them has no states. */
function curves(plot, place, a, b) {
  place.hidden = !(a.layout && b.layout);
  if (place.hidden) return;
  const count = Math.max(a.layout.length, b.layout.length);
  const stretched = (values) => Array.from({ length: count }, (_, i) => values[Math.round(i * (values.length - 1) / (count - 1))]);
  plot.draw({
    title: "layout: distance of the guess to the final picture", ends: ["noise", "picture"], top: 1, thresholds: [],
    curves: [{ label: "A", role: "amber", values: stretched(a.layout), faint: [] }, { label: "B", role: "teal", values: stretched(b.layout), faint: [] }],
  });
}
