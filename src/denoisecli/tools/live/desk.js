/** The parts of the live page and where they stand. */

import { makeCompare } from "../../media/page/compare.js";
import { element } from "../../media/page/dom.js";
import { threeFigures, timestep, decibels } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeSettings, makeWords } from "./controls.js";
import { EXPERIMENTS, openingOf } from "./experiments.js";
import { makeSettlingPlot } from "./settling-plot.js";
import { makeTabControls } from "./tab-controls.js";

export const VIEWS = { canvas: "Canvas", guess: "Guess", latent: "Latent" };
const TALL = ["fork", "poke", "lora"]; // tabs whose own controls leave no room for the numbers below them
const KEYS = {
  other: "← → step · space play · 1–3 view · s compare · ↑ ↓ seed · r roll",
  poke: "← → step · space play · 1–3 view · w a s d ring · Enter poke · r roll",
};

/** tokens: of makeTokenizer. get() → the page's state; change(patch). onScrub, hint: of the plot. */
export function makeDesk({ data, tokens, get, change, onScrub, hint }) {
  const stage = makeStage();
  const views = makeTabs({ label: "view", choices: Object.entries(VIEWS).map(([value, text], i) => ({ value, text, key: String(i + 1) })), onChoose: (view) => change({ view }) });
  const experiments = makeTabs({
    label: "experiment", choices: Object.entries(EXPERIMENTS).map(([value, { text, title }]) => ({ value, text, title })),
    onChoose: (experiment) => change({ experiment, ...openingOf(experiment, get().steps) }),
  });
  const words = makeWords({ grammar: data.grammar, tokens, extra: data.extra_words, onWords: (text) => change({ words: text }) });
  const tabs = element("div", { class: "switches" }, views.node, experiments.node);
  const shell = makeShell({ data, title: words.node, stage, tabs, keys: KEYS.other, yields: true });
  const settings = makeSettings({ onChange: (patch) => change({ ...patch, ...(patch.seeds ? { seed: 0, other: 0 } : {}) }) });
  const own = makeTabControls({ side: data.side, sliders: data.sliders, stage, get, change });
  const plot = makeSettlingPlot({ side: data.side, caption: data.captions.settling, thresholds: data.thresholds, onScrub, hint });
  const readout = makeReadout(["t", "σ", "ᾱ", "SNR"]);
  const engine = element("p", { class: "engine", "aria-live": "polite", text: "loading the model …" });
  const compare = makeCompare({
    label: "seed", count: 4, // without names: a picture is chosen by itself
    get: () => ({ now: get().seed, other: get().other, mode: get().mode }),
    change: ({ now = get().seed, ...rest }) => change({ seed: now, ...rest }),
  });
  const numbers = element("div", { class: "numbers" }, element("div", { class: "headline" }, readout.nodes[0], compare.node), readout.table);
  const controls = element("div", { class: "controls" }, own.node, settings.node, numbers);
  shell.side.append(controls, element("div", { class: "plot-place" }, plot.node), engine);

  /** Another run is asked for. */
  const set = (state) => {
    words.set(state.words);
    settings.set(state);
    experiments.set(state.experiment);
    own.set(state);
    controls.classList.toggle("short", !TALL.includes(state.experiment));
    document.querySelector("footer .keys").textContent = KEYS[state.experiment] ?? KEYS.other;
  };
  const tellLevel = (state, level) => readout.tell(String(state.state), `of ${state.steps}`, [
    timestep(level.timestep), threeFigures(level.sigma), threeFigures(level.alpha_bar), decibels(level.snr_db, level.sigma === 0 ? "∞" : "–"),
  ]);
  const tellEngine = (text) => (engine.textContent = text);
  return { stage, shell, views, words, settings, own, plot, compare, set, tellLevel, tellEngine };
}
