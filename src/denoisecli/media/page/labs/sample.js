/** The deck: every state of a run, scrubbed; canvas, guess or latent; one seed, all in step, or two with a seam. */

import { arrayOf } from "../bytes.js";
import { element } from "../dom.js";
import { listen } from "../keys.js";
import { decibels, range, threeFigures, timestep } from "../numbers.js";
import { makeStage } from "../panels.js";
import { blit, makePictures } from "../pictures.js";
import { makePlayer } from "../play.js";
import { makePlot } from "../plot.js";
import { makeShell } from "../shell.js";
import { makeSlider, setMarks } from "../slider.js";
import { makeStore } from "../store.js";
import { makeStrip } from "../strip.js";
import { makeTabs } from "../tabs.js";

const NAMES = { canvas: "Canvas", guess: "Guess", latent: "Latent" };
const TITLES = {
  canvas: "xₜ, the noisy latents decoded",
  guess: "x̂₀, the model's guess of the finished picture",
  latent: "the first three channels of the latents as red, green and blue",
};
const COMPARED = { one: "One", all: "All", split: "Split" };
const MEASURES = [["layout", "amber"], ["detail", "teal"]];

export function lab(data, blobs) {
  const count = data.states.length;
  const views = data.views;
  const modes = data.seeds.length > 1 ? Object.keys(COMPARED) : ["one"];
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
  const side = makeSide(data, shell.side, modes, (patch) => store.change(patch));
  const scrub = (state) => {
    player.stop();
    store.change({ state: Math.min(count - 1, Math.max(0, state)) });
  };
  const said = (k) => `state ${data.states[k].index} of ${data.last} · t ${timestep(data.states[k].timestep)} · ` +
    `σ ${threeFigures(data.states[k].sigma)} · ᾱ ${threeFigures(data.states[k].alpha_bar)}`;
  const plot = data.layout ? makePlot({
    onScrub: (share) => scrub(Math.round(share * (count - 1))), hint: (share) => said(Math.round(share * (count - 1))),
  }) : null;
  if (plot) side.plotPlace.append(plot.node);
  const strip = makeStrip({
    count, ratio: data.ratio, onScrub: scrub, hint: said, smooth: () => store.state.view !== "latent",
    picture: (index) => pictureOf(store.state.view, store.state.seed, index),
  });
  const slider = makeSlider({ label: "state", count, said, onInput: scrub });
  const play = element("button", { type: "button", class: "play", "aria-label": "play", onclick: () => player.toggle() });
  shell.foot.append(play, strip.node, slider.node);

  let canvases = [];
  let drawn = {};
  const changed = (state, ...names) => names.some((name) => state[name] !== drawn[name]);
  const shownSeeds = (state) => (state.mode === "all" ? data.seeds.map((_, i) => i)
    : state.mode === "split" ? [state.other, state.seed] : [state.seed]);

  const store = makeStore(
    { state: start, view: views.includes("guess") ? "guess" : views[0], seed: 0, other: 0, mode: modes[modes.length > 1 ? 1 : 0], decoded: 0 },
    (state) => {
      const seeds = shownSeeds(state);
      if (changed(state, "mode", "seed", "other")) {
        canvases = stage.show({
          captions: seeds.map((seed) => `seed ${data.seeds[seed]}`), proportion: data.ratio,
          split: state.mode === "split", label: "seam between the two seeds",
        });
        side.choose(state);
        drawPlot(plot, data, seeds);
        markStates(slider, data, seeds, scrub);
        shell.fit();
      }
      seeds.forEach((seed, i) => blit(canvases[i], pictureOf(state.view, seed, state.state)));
      if (changed(state, "view", "seed", "decoded")) {
        stage.node.classList.toggle("cells", state.view === "latent");
        tabs.set(state.view);
        strip.draw();
      }
      side.tell(state.state);
      slider.set(state.state);
      strip.move(state.state);
      plot?.move(state.state);
      drawn = { ...state };
    });

  const player = makePlayer(
    () => {
      const state = (store.state.state + 1) % count;
      store.change({ state });
      return state === count - 1 ? 1600 : Math.max(80, Math.min(400, 6000 / count));
    },
    (playing) => {
      play.classList.toggle("playing", playing);
      play.setAttribute("aria-label", playing ? "pause" : "play");
    });

  const place = () => {
    strip.draw();
    strip.move(store.state.state);
    slider.inset(strip.pitch() / 2);
    markStates(slider, data, shownSeeds(store.state), scrub);
  };
  new ResizeObserver(place).observe(strip.node);
  document.fonts.ready.then(place);

  const next = (step) => () => scrub(store.state.state + step);
  const turn = (step) => () => store.change({ ...another(store.state, (store.state.seed + step + data.seeds.length) % data.seeds.length) });
  listen({
    ArrowLeft: next(-1), ArrowRight: next(1), PageUp: next(-5), PageDown: next(5),
    Home: () => scrub(0), End: () => scrub(count - 1), " ": () => player.toggle(),
    ArrowUp: turn(-1), ArrowDown: turn(1),
    s: () => store.change(modeOf(store.state, modes[(modes.indexOf(store.state.mode) + 1) % modes.length], data)),
    ...Object.fromEntries(views.map((view, i) => [String(i + 1), () => store.change({ view })])),
  });
  side.onMode = (mode) => store.change(modeOf(store.state, mode, data));
  side.onSeed = (seed) => store.change(another(store.state, seed));
  store.change();
  return pictures.all;
}

/** Another seed was chosen: shown alone, or, under the seam, at its right; the one there goes to the left. */
function another(state, seed) {
  const other = seed === state.seed ? state.other : state.seed;
  return { seed, other, mode: state.mode === "split" ? "split" : "one" };
}

/** Under the seam there are two: the seed at hand and the one before it, or the next one. */
function modeOf(state, mode, data) {
  if (mode !== "split" || state.other !== state.seed) return { mode };
  return { mode, other: state.seed, seed: (state.seed + 1) % data.seeds.length };
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
function makeSide(data, node, modes) {
  const hero = element("b");
  const cells = ["t", "σ", "ᾱ", "SNR"].map((name) => ({ name, value: element("dd") }));
  const plotPlace = element("div", { class: "plot-place" });
  const side = { plotPlace, onMode: null, onSeed: null };
  const mode = makeTabs({
    label: "compare", onChoose: (value) => side.onMode(value),
    choices: modes.map((value) => ({ value, text: COMPARED[value] })),
  });
  const seeds = makeTabs({
    label: "seed", onChoose: (value) => side.onSeed(value),
    choices: data.seeds.map((seed, value) => ({ value, text: seed })),
  });
  const choice = modes.length > 1 ? [element("div", { class: "choose" }, seeds.node, mode.node)] : [];
  node.append(
    element("p", { class: "hero" }, hero, element("span", { text: `of ${data.last}` })),
    element("dl", {}, ...cells.map(({ name, value }) => element("div", {}, element("dt", { text: name }), value))),
    plotPlace, ...choice);
  side.tell = (k) => {
    const row = data.states[k];
    hero.textContent = String(row.index);
    const told = [timestep(row.timestep), threeFigures(row.sigma), threeFigures(row.alpha_bar), decibels(row.snr_db, row.sigma === 0 ? "∞" : "–")];
    cells.forEach(({ value }, i) => (value.textContent = told[i]));
  };
  side.choose = (state) => {
    mode.set(state.mode);
    seeds.set(...(state.mode === "all" ? data.seeds.map((_, i) => i) : state.mode === "split" ? [state.seed, state.other] : [state.seed]));
  };
  return side;
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
    title: "distance of the guess to the final picture", curves, ends: ["noise", "picture"], top: 1,
    thresholds: data.thresholds.map(({ value, role }) => ({ value, role, text: `fixed below ${value}` })),
  });
}

/** Under the slider: where layout and detail were fixed, a tick for each seed, a word that goes there. */
function markStates(slider, data, seeds, scrub) {
  const found = MEASURES.map(([name, role]) => ({ name, role, at: seeds.map((seed) => data.committed[name]?.[seed]).filter((k) => k !== null && k !== undefined) }))
    .filter(({ at }) => at.length);
  const marks = found.map(({ name, role, at }) => ({
    index: Math.max(...at), role, text: `${name} fixed ${range(at.map((k) => data.states[k].index))}`, onclick: () => scrub(Math.max(...at)),
  }));
  setMarks(slider, data.states.length, marks, found.flatMap(({ role, at }) => at.map((index) => ({ index, role }))));
}
