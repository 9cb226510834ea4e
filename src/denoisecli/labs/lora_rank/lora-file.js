/** A LoRA file cut to falling rank: the same seeds under every cut and strength, the blocks, and one layer multiplied. */

import { arrayOf } from "../../media/page/bytes.js";
import { makeBlocks } from "./blocks.js";
import { makeCompare } from "../../media/page/compare.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { makeMatrix } from "./matrix.js";
import { makeMeasures } from "../../media/page/measures.js";
import { tenths, threeFigures } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { blit, makePictures } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeStages } from "./stages.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeLine } from "../../media/page/timeline.js";

const NAMES = {
  ranks: ["Ranks", "the same seed under every cut"], strengths: ["Strengths", "the same seed under the whole file, ever stronger"],
  blocks: ["Blocks", "where the change is, and what a cut keeps of it"], layer: ["Layer", "the layer that changes most, multiplied here"],
};

export function fileLab(data, blobs) {
  const { cuts, strengths, seeds, views, painted } = data;
  const pictures = makePictures(blobs.pictures, [], () => store.change({ decoded: store.state.decoded + 1 }));
  const pictureOf = (variant, seed) => pictures.get(`final/${variant}/${seed}`);
  const panelsStage = makeStage();
  const blocks = makeBlocks(data.blocks, spectraOf(data, blobs.arrays), data.captions);
  const layer = data.matrix ? makeMatrix(data.matrix, blobs.arrays, data.captions.spectrum, (rank) => store.change({ rank })) : null;
  const stages = makeStages({ ...(painted ? { panels: panelsStage } : {}), blocks, ...(layer ? { layer } : {}) });
  const stageOf = (view) => (view === "ranks" || view === "strengths" ? "panels" : view);
  const rankOf = (state) => Math.min(data.matrix.most, state.rank ?? cuts[state.cut].rank);

  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change({ view }),
    choices: views.map((value, i) => ({ value, text: NAMES[value][0], title: NAMES[value][1], key: String(i + 1) })),
  });
  const shell = makeShell({ data, stage: stages, tabs: views.length > 1 ? tabs.node : null, keys: keysLine(data) });
  const side = makeSide(data, shell.side, {
    change: (patch) => store.change(patch), get: () => store.state,
    onScrub: (share) => timeline().scrub(share * (rowsOf(store.state.view).length - 1)),
  });
  const rowsOf = (view) => (view === "strengths" ? strengths : cuts);

  const line = (name, rows, picture) => makeLine({
    foot: shell.foot, label: name, count: rows.length, said: (index) => rows[index].said,
    onScrub: (index) => store.change({ [name]: index, rank: null }),
    strip: { ratio: painted ? painted.ratio : 1.5, smooth: () => true, picture },
    advance: () => {
      const index = (store.state[name] + 1) % rows.length;
      store.change({ [name]: index, rank: null });
      return index === rows.length - 1 ? 1600 : 900;
    },
  });
  const variantPicture = (rows) => (index) => pictureOf(rows[index].variant, store.state.seed);
  const lines = {
    cut: line("cut", cuts, (index) => (cuts[index].variant === null ? blocks.thumb(index) : variantPicture(cuts)(index))),
    ...(strengths.length ? { strength: line("strength", strengths, variantPicture(strengths)) } : {}),
  };
  const nameOf = (view) => (view === "strengths" ? "strength" : "cut");
  const timeline = () => lines[nameOf(store.state.view)];

  let panels = [];
  let drawn = {};
  const changed = (state, ...names) => names.some((name) => state[name] !== drawn[name]);
  const store = makeStore(
    {
      cut: data.start, strength: Math.max(0, strengths.length - 1), seed: 0, view: views[0], rank: null, decoded: 0,
      mode: painted ? "all" : "one", measure: data.measures.length - 1,
    },
    (state) => {
      const shown = painted ? panelsOf(data, state) : [];
      if (changed(state, "view", "mode") || (state.mode !== "all" && changed(state, "cut", "strength"))) {
        stages.use(stageOf(state.view));
        if (stageOf(state.view) === "panels") {
          panels = panelsStage.show({
            captions: shown.map(({ text }) => text), proportion: painted.ratio,
            split: state.mode === "split", label: "seam between the cut and what it is compared with",
            onChoose: (index) => shown[index].patch && store.change({ ...shown[index].patch, rank: null }),
          });
        }
        shell.fit();
      }
      if (stageOf(state.view) === "panels") shown.forEach(({ variant, now }, i) => {
        panels[i].frame(state.mode === "all" && now === true);
        blit(panels[i].canvas, pictureOf(variant, state.seed));
      });
      if (state.view === "blocks") blocks.draw(state.cut);
      if (state.view === "layer") layer.draw(rankOf(state), "copy");
      if (changed(state, "view", "seed", "decoded")) {
        tabs.set(state.view);
        Object.entries(lines).forEach(([name, { show }]) => show(name === nameOf(state.view)));
        timeline().redraw();
      }
      if (changed(state, "view", "measure", "seed", "mode")) side.choose(state);
      side.tell(state, state.view === "layer" ? rankOf(state) : null);
      timeline().move(state[nameOf(state.view)]);
      drawn = { ...state };
    });

  lines.cut.mark(data.marks.map((mark) => ({ ...mark, onclick: () => lines.cut.scrub(mark.index) })), data.marks);
  const forward = (key) => (event) => timeline().keys()[key](event);
  listen({
    ...Object.fromEntries(Object.keys(lines.cut.keys()).map((key) => [key, forward(key)])),
    s: () => side.compare?.next(), m: () => store.change({ measure: (store.state.measure + 1) % data.measures.length }),
    n: () => store.change({ seed: (store.state.seed + 1) % Math.max(1, seeds.length) }),
    ...Object.fromEntries(views.map((view, i) => [String(i + 1), () => store.change({ view })])),
  });
  store.change();
  return pictures.all;
}

function keysLine({ painted, views, seeds }) {
  const parts = ["← → cut", "space play"];
  if (views.length > 1) parts.push(`1–${views.length} view`);
  if (painted) parts.push("s compare");
  parts.push("m number");
  if (seeds.length > 1) parts.push("n seed");
  return parts.join(" · ");
}

/** The spectra that can be picked: the blocks', then the layers'. */
function spectraOf({ blocks, layers, cuts, width }, arrays) {
  const rows = (name) => {
    const values = arrayOf(arrays[name]);
    return (index, length = width) => values.subarray(index * width, index * width + length);
  };
  const [ofBlock, ofLayer] = [rows("block_values"), layers.length ? rows("layer_values") : null];
  return [
    ...blocks.map(({ name }, i) => ({ name, group: "blocks, the mean of their layers", values: ofBlock(i), ranks: cuts.map(({ mean_rank: rank }) => Math.max(1, Math.round(rank))) })),
    ...layers.map(({ name, length, ranks }, i) => ({ name, group: "layers", values: ofLayer(i, length), ranks })),
  ];
}

/** What the panels show: [{text, variant, now, patch}]; patch: what choosing one changes. */
function panelsOf({ cuts, strengths, painted }, { view, cut, strength, mode }) {
  const [name, rows, index] = view === "strengths" ? ["strength", strengths, strength] : ["cut", cuts, cut];
  const own = (row, i) => ({ text: row.name, variant: row.variant, now: i === index, patch: { [name]: i } });
  const off = { text: "without", variant: painted.off };
  const whole = { text: `whole, rank ${painted.rank}`, variant: painted.whole };
  if (mode === "one") return [own(rows[index], index)];
  if (mode === "split") return [own(rows[index], index), view === "strengths" ? off : whole];
  return view === "strengths" ? rows.map(own) : [off, ...rows.map(own), whole];
}

/** The side: the cut, its numbers and their plot, and what is compared. */
function makeSide({ cuts, strengths, seeds, measures, whole, painted, matrix }, node, { change, get, onScrub }) {
  const readout = makeReadout([]);
  const numbers = makeMeasures({ label: "number", names: measures.map(({ name }) => name), onChoose: (measure) => change({ measure }) });
  const plot = makePlot({ onScrub });
  const compare = painted ? makeCompare({
    label: "pictures", count: 2, get: () => ({ now: 1, other: 0, mode: get().mode }), change: ({ mode }) => change({ mode }),
  }) : null;
  const seedTabs = makeTabs({ label: "seed", onChoose: (seed) => change({ seed }), choices: seeds.map((text, value) => ({ value, text })) });
  const choose = element("div", { class: "choose" }, seeds.length > 1 ? seedTabs.node : null, compare?.node);
  node.append(element("div", { class: "headline" }, readout.nodes[0], choose), numbers.node, element("div", { class: "plot-place" }, plot.node));
  const valueOf = (row, { key }, seed) => (key === "distance" && row.by_seed ? row.by_seed[seed] : row[key]);
  const written = (measure, row, seed) => {
    if (measure.key === "bytes") return row.size;
    return measure.percent ? tenths(valueOf(row, measure, seed)) : threeFigures(valueOf(row, measure, seed));
  };
  const rowsOf = (view) => (view === "strengths" ? strengths : cuts);
  return {
    compare,
    choose: ({ view, measure: index, seed, mode }) => {
      const [rows, measure] = [rowsOf(view), measures[index]];
      compare?.set({ now: 1, other: 0, mode });
      choose.hidden = view !== "ranks" && view !== "strengths";
      seedTabs.set(seed);
      numbers.set(index);
      const values = rows.map((row) => valueOf(row, measure, seed));
      const others = measure.key === "distance" && rows[0].by_seed ? seeds.map((_, i) => rows.map((row) => row.by_seed[i])) : [];
      const top = measure.key === "bytes" ? whole.bytes * 1.05 : Math.max(1, ...others.flat(), ...values);
      plot.draw({
        title: measure.title, caption: measure.caption, ends: [rows[0].name, rows[rows.length - 1].name], top,
        curves: [{ label: "", role: measure.role, values, faint: others.length > 1 ? others : [] }],
      });
      plot.node.hidden = rows.length < 2;
    },
    tell: ({ view, cut, strength, seed }, rank) => {
      const index = view === "strengths" ? strength : cut;
      const row = rowsOf(view)[index];
      if (rank !== null) readout.tell(String(rank), `of ${matrix.name}`, []);
      else readout.tell(row.big, row.of, []);
      numbers.tell(measures.map((measure) => written(measure, row, seed)));
      plot.move(index);
    },
  };
}
