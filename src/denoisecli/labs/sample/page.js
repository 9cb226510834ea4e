/** The deck: every state of a run, scrubbed; canvas, guess or latent; one seed, all in step, or two with a seam. */

import { arrayOf } from "../../media/page/bytes.js";
import { captionOf } from "../../media/page/captions.js";
import { makeCompare, modesOf, seen } from "../../media/page/compare.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { decibels, range, threeFigures, timestep } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { blit, makePictures } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeTimeline } from "../../media/page/timeline.js";

const NAMES = { canvas: "Canvas", guess: "Guess", latent: "Latent" };
const TITLES = {
  canvas: "xₜ, the noisy latents decoded",
  guess: "x̂₀, the model's guess of the finished picture",
  latent: "the first three channels of the latents as red, green and blue",
};
const MEASURES = [["layout", "amber"], ["detail", "teal"]];

export function lab(data, blobs) {
  const count = data.states.length;
  const views = data.views;
  const modes = modesOf(data.seeds.length);
  const latents = data.latents ? makeLatents(data.latents, arrayOf(blobs.arrays.latents), count) : null;
  const start = Math.min(count - 1, data.start);
  const first = data.seeds.map((_, seed) => `${views[0]}/${seed}/${start}`);
  const pictures = makePictures(blobs.pictures, first, () => store.change({ decoded: store.state.decoded + 1 }));
  const pictureOf = (view, seed, state) =>
    view === "latent" ? latents(seed, state) : pictures.get(`${view}/${seed}/${state}`);

  const stage = makeStage();
  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change({ view }),
    choices: views.map((value, i) => ({ value, text: NAMES[value] ?? value, key: String(i + 1), title: TITLES[value] })),
  });
  const shell = makeShell({ data, stage, tabs: views.length > 1 ? tabs.node : null, keys: keysLine(views, modes) });
  const side = makeSide(data, shell.side, {
    get: () => ({ now: store.state.seed, other: store.state.other, mode: store.state.mode }),
    change: ({ now = store.state.seed, ...rest }) => store.change({ seed: now, ...rest }),
  });
  const said = (k) => `state ${data.states[k].index} of ${data.last} · t ${timestep(data.states[k].timestep)} · ` +
    `σ ${threeFigures(data.states[k].sigma)} · ᾱ ${threeFigures(data.states[k].alpha_bar)}`;
  const plot = data.layout ? makePlot({
    onScrub: (share) => timeline.scrub(share * (count - 1)), hint: (share) => said(Math.round(share * (count - 1))),
  }) : null;
  if (plot) side.plotPlace.append(plot.node);
  const timeline = makeTimeline({
    foot: shell.foot, label: "state", count, said, onScrub: (state) => store.change({ state }),
    strip: {
      ratio: data.ratio, smooth: () => store.state.view !== "latent",
      picture: (index) => pictureOf(store.state.view, store.state.seed, index),
    },
    advance: () => {
      const state = (store.state.state + 1) % count;
      store.change({ state });
      return state === count - 1 ? 1600 : Math.max(80, Math.min(400, 6000 / count));
    },
  });

  let panels = [];
  let drawn = {};
  const changed = (state, ...names) => names.some((name) => state[name] !== drawn[name]);
  const shownSeeds = ({ seed: now, other, mode }) => seen({ now, other, mode }, data.seeds.length);

  const store = makeStore(
    { state: start, view: views.includes("guess") ? "guess" : views[0], seed: 0, other: 0, mode: modes[modes.length > 1 ? 1 : 0], decoded: 0 },
    (state) => {
      const seeds = shownSeeds(state);
      if (changed(state, "mode", "seed", "other")) {
        panels = stage.show({
          captions: seeds.map((seed) => `seed ${data.seeds[seed]}`), proportion: data.ratio,
          split: state.mode === "split", label: "seam between the two seeds",
          onChoose: (index) => side.compare.choose(seeds[index]),
        });
        side.choose(state);
        drawPlot(plot, data, seeds);
        markStates(timeline, data, seeds);
        shell.fit();
      }
      seeds.forEach((seed, i) => {
        blit(panels[i].canvas, pictureOf(state.view, seed, state.state));
        panels[i].tell(captionOf(`seed ${data.seeds[seed]}`, state.view === "guess" && data.drawn?.[seed][state.state]));
      });
      if (changed(state, "view", "seed", "decoded")) {
        stage.node.classList.toggle("cells", state.view === "latent");
        tabs.set(state.view);
        timeline.redraw();
      }
      side.tell(state.state);
      timeline.move(state.state);
      plot?.move(state.state);
      drawn = { ...state };
    });

  listen({
    ...timeline.keys(), ArrowUp: side.compare.turn(-1), ArrowDown: side.compare.turn(1), s: side.compare.next,
    ...Object.fromEntries(views.map((view, i) => [String(i + 1), () => store.change({ view })])),
  });
  store.change();
  return pictures.all;
}

function keysLine(views, modes) {
  const parts = ["← → step", "space play"];
  if (views.length > 1) parts.push(`1–${views.length} view`);
  if (modes.length > 1) parts.push("s compare", "↑ ↓ seed");
  return parts.join(" · ");
}

/** Return f(seed, state) → a small canvas, one pixel a cell, from uint8 (seed, state, channel, h, w). */
function makeLatents({ shape: [, , channels, height, width] }, values, count) {
  const made = new Map();
  return (seed, state) => {
    const key = seed * count + state;
    if (!made.has(key)) made.set(key, paint(values, key * channels * height * width, channels, height, width));
    return made.get(key);
  };
}

function paint(values, from, channels, height, width) {
  const canvas = element("canvas", { width, height });
  const ink = canvas.getContext("2d");
  const image = ink.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = values[from + Math.min(c, channels - 1) * width * height + i];
    image.data[4 * i + 3] = 255;
  }
  ink.putImageData(image, 0, 0);
  return canvas;
}

/** The side: the state's number, its values, the plot, and which seeds are seen. */
function makeSide(data, node, { get, change }) {
  const readout = makeReadout(["t", "σ", "ᾱ", "SNR"]);
  const plotPlace = element("div", { class: "plot-place" });
  const compare = makeCompare({ label: "seed", names: data.seeds, count: data.seeds.length, get, change });
  node.append(...readout.nodes, plotPlace, ...(compare.node ? [compare.node] : []));
  const tell = (k) => {
    const row = data.states[k];
    readout.tell(String(row.index), `of ${data.last}`,
      [timestep(row.timestep), threeFigures(row.sigma), threeFigures(row.alpha_bar), decibels(row.snr_db, row.sigma === 0 ? "∞" : "–")]);
  };
  return { plotPlace, compare, tell, choose: ({ seed: now, other, mode }) => compare.set({ now, other, mode }) };
}

function drawPlot(plot, data, seeds) {
  if (!plot) return;
  const mean = (rows) => rows[0].map((_, k) => {
    const known = rows.map((row) => row[k]).filter((value) => value !== null);
    return known.length ? known.reduce((a, b) => a + b) / known.length : null;
  });
  const curves = MEASURES.filter(([name]) => data[name]).map(([name, role]) => ({
    label: name, role, values: mean(seeds.map((seed) => data[name][seed])),
    faint: data.seeds.length <= 16 ? data[name] : [],
  }));
  plot.draw({
    title: "distance of the guess to the final picture · 0 to 1", caption: data.captions.settling, curves, ends: ["noise", "picture"], top: 1,
    thresholds: data.thresholds.map(({ value, role }) => ({ value, role, text: `${role === "amber" ? "layout" : "detail"} fixed: under ${value}` })),
  });
}

/** Under the slider: where the run begins on the way or changes, where layout and detail were fixed, a tick for each seed, a word that goes there. */
function markStates(timeline, data, seeds) {
  const found = MEASURES.map(([name, role]) => ({ name, role, at: seeds.map((seed) => data.committed[name]?.[seed]).filter((k) => k !== null && k !== undefined) }))
    .filter(({ at }) => at.length);
  const marks = found.map(({ name, role, at }) => ({
    index: Math.max(...at), role, text: `${name} fixed ${range(at.map((k) => data.states[k].index))}`, onclick: () => timeline.scrub(Math.max(...at)),
  }));
  const turns = data.turns.map(({ index, text }) => ({ index, role: "quiet", text, onclick: () => timeline.scrub(index) }));
  timeline.mark([...turns, ...marks], found.flatMap(({ role, at }) => at.map((index) => ({ index, role }))));
}
