/** The sweep: one noise at every guidance scale and every state; what guidance does, in numbers and inside a step. */

import { arrayOf } from "../../media/page/bytes.js";
import { captionOf } from "../../media/page/captions.js";
import { heatTable, strength } from "../../media/page/colours.js";
import { atHand, makeCompare, modesOf, seen } from "../../media/page/compare.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { makeMeasures } from "../../media/page/measures.js";
import { percent, short, threeFigures, timestep } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { blit, makePictures } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeSlider, setStops } from "../../media/page/slider.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeTimeline } from "../../media/page/timeline.js";

const VIEWS = {
  canvas: ["Canvas", "xₜ, the noisy latents decoded"],
  guess: ["Guess", "x̂₀, the model's guess of the finished picture"],
  anatomy: ["Anatomy", "inside one step: the guess without the prompt, with it, and what guidance makes of both"],
};
const PULL = "cond − uncond"; // the measure that belongs to the anatomy

export function lab(data, blobs) {
  const { scales, seeds, states, anatomy } = data;
  const count = states.length;
  const views = [...data.views, ...(anatomy ? ["anatomy"] : [])];
  const modes = modesOf(scales.length);
  const start = Math.min(count - 1, data.start);
  const middle = anatomy?.scale ?? Math.floor(scales.length / 2);
  const sampleOf = (scale, seed) => scale * seeds.length + seed;
  const first = scales.map((_, scale) => `${data.views[data.views.length - 1]}/${sampleOf(scale, 0)}/${start}`);
  const pictures = makePictures(blobs.pictures, first, () => store.change({ decoded: store.state.decoded + 1 }));
  const pictureOf = (view, scale, seed, state) => pictures.get(`${view}/${sampleOf(scale, seed)}/${states[state].index}`);
  const stripView = (view) => (view === "canvas" ? "canvas" : data.views[data.views.length - 1]);

  const stage = makeStage();
  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change(viewed(view)),
    choices: views.map((value, i) => ({ value, text: VIEWS[value][0], key: String(i + 1), title: VIEWS[value][1] })),
  });
  const shell = makeShell({ data, stage, tabs: views.length > 1 ? tabs.node : null, keys: keysLine(data, views, modes) });
  const side = makeSide(data, shell.side, {
    get: () => ({ now: store.state.scale, other: store.state.other, mode: store.state.mode }),
    change: ({ now = store.state.scale, ...rest }) => store.change({ scale: now, ...rest }),
    onScale: (scale) => store.change(scaled(scale)), onSeed: (seed) => store.change({ seed }),
    onMeasure: (measure) => store.change({ measure }), onScrub: (share) => timeline.scrub(share * (count - 1)),
    said: (share) => said(Math.round(share * (count - 1))),
  });
  const said = (k, row) => `${row === undefined ? "" : `cfg ${scales[scales.length - 1 - row].label} · `}` +
    `state ${states[k].index} of ${data.last} · t ${timestep(states[k].timestep)} · σ ${threeFigures(states[k].sigma)}`;
  const timeline = makeTimeline({
    foot: shell.foot, label: "state", count, said,
    onScrub: (state, row) => store.change({ state, ...(row === undefined ? {} : scaled(scales.length - 1 - row)) }),
    strip: {
      rows: scales.length, colours: scales.map(({ share }) => strength(share)).reverse(), ratio: data.ratio, smooth: () => true,
      picture: (index, row) => pictureOf(stripView(store.state.view), scales.length - 1 - row, store.state.seed, index),
    },
    advance: () => {
      const state = (store.state.state + 1) % count;
      store.change({ state });
      return state === count - 1 ? 1600 : Math.max(80, Math.min(400, 6000 / count));
    },
  });
  const parts = anatomy ? makeAnatomy(data, arrayOf(blobs.arrays.pull), stage, pictures, pictureOf) : null;

  const scaled = (index) => {
    const { scale: now, other, mode } = store.state;
    const next = atHand({ now, other, mode }, Math.min(scales.length - 1, Math.max(0, index)));
    return { scale: next.now, other: next.other };
  };
  const viewed = (view) => ({
    view, ...(view === "anatomy" && store.state.view !== "anatomy"
      ? { scale: anatomy.scale, seed: 0, measure: data.measures.findIndex(({ name }) => name === PULL) } : {}),
  });

  let panels = [];
  let drawn = {};
  const changed = (state, ...names) => names.some((name) => state[name] !== drawn[name]);
  const store = makeStore(
    {
      state: start, scale: middle, other: middle === 0 ? scales.length - 1 : 0, seed: 0, mode: modes[modes.length > 1 ? 1 : 0],
      view: data.views[data.views.length - 1], measure: 0, decoded: 0,
    },
    (state) => {
      const shown = seen({ now: state.scale, other: state.other, mode: state.mode }, scales.length);
      const all = state.mode === "all" && state.view !== "anatomy";
      if (changed(state, "mode", "view") || (!all && changed(state, "scale", "other"))) {
        panels = state.view === "anatomy" ? parts.show() : stage.show({
          captions: shown.map((scale) => ({
            text: `cfg ${scales[scale].label}`, colour: strength(scales[scale].share),
          })),
          proportion: data.ratio, split: state.mode === "split", label: "seam between the two scales",
          onChoose: (index) => store.change(scaled(shown[index])),
        });
        shell.fit();
      }
      if (all) panels.forEach((panel, scale) => panel.frame(scale === state.scale));
      if (state.view === "anatomy") parts.draw(panels, state);
      else {
        shown.forEach((scale, i) => {
          blit(panels[i].canvas, pictureOf(state.view, scale, state.seed, state.state));
          const factor = state.view === "guess" && data.drawn?.[scale * seeds.length + state.seed][state.state];
          panels[i].tell(captionOf(`cfg ${scales[scale].label}`, factor));
        });
      }
      if (changed(state, "view", "seed", "decoded")) {
        tabs.set(state.view);
        timeline.redraw();
      }
      if (changed(state, "mode", "scale", "other", "view", "seed", "measure")) side.choose(state);
      side.tell(state);
      timeline.move(state.state, scales.length - 1 - state.scale);
      drawn = { ...state };
    });

  timeline.mark(data.marks.map((mark) => ({ ...mark, onclick: () => timeline.scrub(mark.index) })), data.marks);
  listen({
    ...timeline.keys(), ArrowUp: () => store.change(scaled(store.state.scale + 1)), ArrowDown: () => store.change(scaled(store.state.scale - 1)),
    s: () => (store.state.view === "anatomy" ? store.change({ view: stripView() }) : side.compare.next()),
    m: () => store.change({ measure: (store.state.measure + 1) % data.measures.length }),
    n: () => store.change({ seed: (store.state.seed + 1) % seeds.length }),
    ...Object.fromEntries(views.map((view, i) => [String(i + 1), () => store.change(viewed(view))])),
  });
  store.change();
  return pictures.all;
}

function keysLine(data, views, modes) {
  const parts = ["← → state"];
  if (modes.length > 1) parts.push("↑ ↓ scale");
  parts.push("space play");
  if (views.length > 1) parts.push(`1–${views.length} view`);
  if (modes.length > 1) parts.push("s compare");
  parts.push("m number");
  if (data.seeds.length > 1) parts.push("n seed");
  return parts.join(" · ");
}

/** The side: the scale and its slider, the state's noise level, the measured numbers and their plot. */
function makeSide(data, node, { get, change, onScale, onSeed, onMeasure, onScrub, said }) {
  const { scales, seeds, measures, states } = data;
  const readout = makeReadout(["state", "t", "σ", "ᾱ"]);
  const slider = makeSlider({
    label: "guidance scale", count: scales.length, said: (scale) => `cfg ${scales[scale].label}`, onInput: onScale, ownKeys: true,
  });
  const anatomyFormula = element("p", { class: "formula anatomy" });
  const numbers = makeMeasures({ label: "number", names: measures.map(({ name }) => name), onChoose: onMeasure });
  const plot = makePlot({ onScrub, hint: said });
  const compare = makeCompare({ label: "scales", count: scales.length, get, change });
  const seedTabs = makeTabs({ label: "seed", onChoose: onSeed, choices: seeds.map((text, value) => ({ value, text })) });
  const choose = element("div", { class: "choose" }, seeds.length > 1 ? seedTabs.node : null, compare.node);
  node.append(element("div", { class: "headline" }, readout.nodes[0], choose.children.length ? choose : null),
    ...(scales.length > 1 ? [slider.node] : []), anatomyFormula, readout.table, numbers.node,
    element("div", { class: "plot-place" }, plot.node));
  const stops = () => setStops(slider, scales.map(({ label, share }) => ({ text: label, colour: strength(share), title: `cfg ${label}` })), onScale);
  new ResizeObserver(stops).observe(slider.node);
  document.fonts.ready.then(stops);

  let plotted = null;
  const valuesOf = ({ values }, scale, seed) => values[scale][Math.min(seed, values[scale].length - 1)];
  const edge = ({ percent: shares }, value) => short(shares ? 100 * value : value);
  const written = (measure, value) => (measure.percent ? percent(value) : threeFigures(value));
  return {
    compare,
    choose: (state) => {
      compare.set({ now: state.scale, other: state.other, mode: state.mode });
      if (compare.node) compare.node.hidden = state.view === "anatomy";
      seedTabs.set(state.seed);
      slider.set(state.scale);
      numbers.set(state.measure);
      if (`${state.measure}/${state.seed}` === plotted) return plot.accent(state.scale);
      plotted = `${state.measure}/${state.seed}`;
      const measure = measures[state.measure];
      plot.draw({
        title: `${measure.title} · ${edge(measure, measure.low)} to ${edge(measure, measure.top)}${measure.percent ? " %" : ""}`,
        said: measure.title, caption: data.captions[measure.caption],
        ends: ["noise", "picture"], low: measure.low, top: measure.top, now: state.scale,
        curves: scales.map(({ label, share }, scale) => ({
          label: `cfg ${label}`, colour: strength(share), values: valuesOf(measure, scale, state.seed),
        })),
      });
    },
    tell: ({ state, scale, seed, view }) => {
      const row = states[state];
      const { label, steps } = scales[scale];
      const now = steps[Math.min(row.index, steps.length - 1)];
      const varies = steps.some((value) => value !== steps[0]);
      const formula = now === 1 ? "guided = cond" : `guided = uncond + ${short(now)} · (cond − uncond)`;
      anatomyFormula.textContent = formula;
      anatomyFormula.hidden = view !== "anatomy";
      readout.tell(label, varies ? `guidance scale, now ${short(now)}` : "guidance scale",
        [`${row.index} of ${data.last}`, timestep(row.timestep), threeFigures(row.sigma), threeFigures(row.alpha_bar)]);
      numbers.tell(measures.map((measure) => written(measure, valuesOf(measure, scale, seed)[state])));
      plot.move(state);
    },
  };
}

/** The anatomy: {show, draw}; three guesses of a step side by side, and where the prompt makes a difference. */
function makeAnatomy(data, pull, stage, pictures, pictureOf) {
  const { anatomy, scales, states, seeds, ratio } = data;
  const [, steps, height, width] = anatomy.shape;
  const heat = element("canvas", { width, height });
  const table = heatTable();
  const paint = (row, step) => {
    const ink = heat.getContext("2d");
    const image = ink.createImageData(width, height);
    const from = (row * steps + step) * height * width;
    for (let i = 0; i < height * width; i++) {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = table[3 * pull[from + i] + c];
      image.data[4 * i + 3] = 255;
    }
    ink.putImageData(image, 0, 0);
    return heat;
  };
  const without = `${anatomy.negative ? "negative" : "no prompt"} · uncond`;
  const show = () => {
    const captions = [without, "prompt · cond", "guided", `|cond − uncond| · 0 to ${threeFigures(anatomy.brightest)}`];
    const panels = stage.show({ captions, proportion: ratio });
    panels[3].canvas.classList.add("cells");
    return panels;
  };
  /** @param {any[]} four */
  const draw = ([uncond, cond, guided, where], { state, scale, seed }) => {
    const step = Math.min(state, steps - 1);
    const index = states[step].index;
    const sample = scale * seeds.length + seed;
    const row = anatomy.samples.indexOf(sample);
    const taken = sample === anatomy.sample;
    const ran = row < 0 || anatomy.ran[row][step];
    const elsewhere = taken ? null : notKept(scales, seeds, anatomy.scale, scale);
    uncond.blank(elsewhere ?? (ran ? null : "not run at scale 1"));
    cond.blank(elsewhere);
    where.blank(row < 0 ? elsewhere : ran ? null : "no guidance in this step");
    if (taken) {
      blit(uncond.canvas, pictures.get(`uncond/${index}`));
      blit(cond.canvas, pictures.get(`cond/${index}`));
    }
    const drawn = (name) => taken && anatomy.drawn?.[name]?.[0][step];
    uncond.tell(captionOf(without, drawn("uncond")));
    cond.tell(captionOf("prompt · cond", drawn("cond")));
    guided.tell(captionOf("guided", taken ? drawn("guided") : data.drawn?.[sample][state]));
    const guess = taken ? pictures.get(`guided/${index}`) : pictureOf("guess", scale, seed, step);
    guided.blank(guess ? null : "not kept");
    blit(guided.canvas, guess);
    if (row >= 0) blit(where.canvas, paint(row, step));
  };
  return { show, draw };
}

function notKept(scales, seeds, kept, scale) {
  const said = `kept for cfg ${scales[kept].label}${seeds.length > 1 ? `, seed ${seeds[0]}` : ""} only`;
  const { label } = scales[scale];
  return scale === kept || !Number.isFinite(Number(label)) ? said : `${said}; --set anatomy=${label} keeps this one`;
}
