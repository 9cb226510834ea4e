/** Forks: drag the state at which the run was changed; what the run believed there, and which picture comes out. */

import { captionOf } from "../../media/page/captions.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { percent, threeFigures, timestep } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { blit, makePictures } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeTimeline } from "../../media/page/timeline.js";

const BANDS = [["layout", "amber"], ["detail", "teal"]];
const VIEWS = {
  fork: ["One seed", "what the run believed at the fork, what came out of it, and what would have come without"],
  seeds: ["All seeds", "what came out for every seed"],
};

export function lab(data, blobs) {
  const { branches, seeds, last } = data;
  const views = seeds.length > 1 ? ["fork", "seeds"] : ["fork"];
  const first = seeds.map((_, seed) => `final/${data.start}/${seed}`);
  const pictures = makePictures(blobs.pictures, first, () => store.change({ decoded: store.state.decoded + 1 }));
  const said = (k) => `changed at state ${branches[k].index} of ${last} · t ${timestep(branches[k].timestep)} · ` +
    `σ ${threeFigures(branches[k].sigma)}`;

  const stage = makeStage();
  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change({ view }),
    choices: views.map((value, i) => ({ value, text: VIEWS[value][0], key: String(i + 1), title: VIEWS[value][1] })),
  });
  const shell = makeShell({ data, stage, tabs: views.length > 1 ? tabs.node : null, keys: keysLine(seeds, views) });
  const nearest = (share) => branches.reduce((best, { index }, k) =>
    (Math.abs(index - share * last) < Math.abs(branches[best].index - share * last) ? k : best), 0);
  const side = makeSide(data, shell.side, {
    onSeed: (seed) => store.change({ seed }), onScrub: (share) => timeline.scrub(nearest(share)),
    said: (share) => said(nearest(share)),
  });
  const timeline = makeTimeline({
    foot: shell.foot, label: "state at which the run is changed", count: branches.length, said,
    onScrub: (branch) => store.change({ branch }),
    strip: { ratio: data.ratio, smooth: () => true, picture: (branch) => pictures.get(`final/${branch}/${store.state.seed}`) },
    advance: () => {
      const branch = (store.state.branch + 1) % branches.length;
      store.change({ branch });
      return branch === branches.length - 1 ? 1800 : Math.max(250, 7000 / branches.length);
    },
  });

  let [panels, drawn] = [[], {}];
  const changed = (state, ...names) => names.some((name) => state[name] !== drawn[name]);
  const store = makeStore({ branch: data.start, seed: 0, view: "fork", decoded: 0 }, (state) => {
    const at = branches[state.branch].index;
    if (changed(state, "view")) {
      const captions = state.view === "fork" ? ["believed", "comes out", "unchanged", "changed from the start"] : seeds.map((seed) => `seed ${seed}`);
      panels = stage.show({
        captions, proportion: data.ratio,
        onChoose: (index) => (state.view === "seeds" ? store.change({ seed: index, view: "fork" }) : null),
      });
      tabs.set(state.view);
      shell.fit();
    }
    if (state.view === "fork") drawFork(panels, state, at);
    else seeds.forEach((_, seed) => blit(panels[seed].canvas, pictures.get(`final/${state.branch}/${seed}`)));
    if (changed(state, "seed", "decoded")) timeline.redraw();
    side.tell(state);
    timeline.move(state.branch);
    drawn = { ...state };
  });
  /** @param {any[]} panels */
  const drawFork = ([believed, out, kept, pure], { branch, seed }, at) => {
    blit(believed.canvas, pictures.get(`guess/${seed}/${at}`));
    blit(out.canvas, pictures.get(`final/${branch}/${seed}`));
    blit(kept.canvas, pictures.get(`guess/${seed}/${last}`));
    blit(pure.canvas, pictures.get(`final/0/${seed}`));
    believed.tell(captionOf(`the run's guess at state ${at}`, data.drawn?.[seed][branch]));
    out.tell(`changed at state ${at}`);
  };

  const marks = marksOf(data, (index) => timeline.scrub(index));
  timeline.mark(marks, marks);
  listen({
    ...timeline.keys(1, 2),
    ArrowUp: () => store.change({ seed: (store.state.seed + seeds.length - 1) % seeds.length }),
    ArrowDown: () => store.change({ seed: (store.state.seed + 1) % seeds.length }),
    ...Object.fromEntries(views.map((view, i) => [String(i + 1), () => store.change({ view })])),
  });
  store.change();
  return pictures.all;
}

function keysLine(seeds, views) {
  const parts = ["← → state of the fork", "space play"];
  if (views.length > 1) parts.push("1–2 view");
  if (seeds.length > 1) parts.push("↑ ↓ seed");
  return parts.join(" · ");
}

/** Marks under the slider: the branch before which layout and detail were decided. */
function marksOf({ branches, decided }, scrub) {
  return BANDS.filter(([band]) => decided[band] !== null).map(([band, role]) => {
    const index = branches.reduce((best, { index: state }, k) =>
      (Math.abs(state - decided[band]) < Math.abs(branches[best].index - decided[band]) ? k : best), 0);
    return { index, role, text: `${band} decided`, onclick: () => scrub(index) };
  });
}

/** The side: the state of the fork, the shares, the causal curve, and the seeds. */
function makeSide(data, node, { onSeed, onScrub, said }) {
  const { seeds, branches } = data;
  const readout = makeReadout(["t", "σ", "layout", "detail"]);
  const plot = makePlot({ onScrub, hint: said });
  const seedTabs = makeTabs({ label: "seed", onChoose: onSeed, choices: seeds.map((text, value) => ({ value, text })) });
  const words = element("p", { class: "note", text: lesson(data) });
  node.append(...readout.nodes, element("div", { class: "plot-place" }, plot.node), words,
    ...(seeds.length > 1 ? [element("div", { class: "choose" }, seedTabs.node)] : []));
  plot.draw({
    title: "how much of the picture the change decides, by the state it comes at", caption: data.captions.fork,
    curves: BANDS.map(([band, role]) => ({
      label: band, role, values: data.curves[band], faint: seeds.length > 1 && seeds.length <= 16 ? data.by_seed[band] : [],
    })),
    x: data.x, ends: ["changed at the noise", "at the picture"], top: 1, thresholds: [{ value: 0.5, role: "quiet", text: "half" }],
  });
  const tell = ({ branch, seed }) => {
    const row = branches[branch];
    readout.tell(String(row.index), `of ${data.last}: changed here`,
      [timestep(row.timestep), threeFigures(row.sigma), ...BANDS.map(([band]) => percent(data.by_seed[band][seed]?.[branch] ?? data.curves[band][branch]))]);
    plot.move(branch);
    seedTabs.set(seed);
  };
  return { tell };
}

function lesson({ decided, interval, last }) {
  const parts = BANDS.filter(([band]) => decided[band] !== null).map(([band]) => {
    const between = interval[band] ? ` (95 % interval over the seeds: ${interval[band].map((value) => value.toFixed(1)).join(" to ")})` : "";
    return `${band} by state ${decided[band].toFixed(1)}${between}`;
  });
  return parts.length ? `Decided, of ${last}: ${parts.join("; ")}. Later changes no longer decide it.` : "";
}
