/** What each tab has beside the settings that all of them share: a share of the way, other words, a brush, a strength. */

import { element } from "../../media/page/dom.js";
import { percent } from "../../media/page/numbers.js";
import { makeSlider } from "../../media/page/slider.js";
import { makeTabs } from "../../media/page/tabs.js";
import { endsOf, EXPERIMENTS, placeOf } from "./experiments.js";
import { changedShare, makePoke } from "./poke.js";

const STRENGTH = { most: 2, fine: 0.05 }; // of a LoRA

/**
 * sliders: the LoRAs. stage: where a brush pokes. get() → the page's state; change(patch).
 * Returns {node, keys, isPoking, set, tell}: set(state) after another tab or run, tell(state, panels) after each change.
 */
export function makeTabControls({ side, sliders, stage, get, change }) {
  const said = element("p", { class: "explained" });
  const [walking, forking, tuning] = [makeWalking(change), makeForking(get, change), makeTuning(sliders, change)];
  const poke = makePoke({ side, get, change });
  const isPoking = () => get().experiment === "poke";
  poke.listen(stage.node, isPoking);
  const node = element("div", { class: "extra" }, said, walking.node, forking.node, poke.node, tuning.node);
  const set = (state) => {
    said.textContent = EXPERIMENTS[state.experiment].said;
    for (const [name, part] of Object.entries({ walk: walking, fork: forking, lora: tuning })) {
      part.node.hidden = state.experiment !== name;
      if (!part.node.hidden) part.set(state);
    }
    stage.node.classList.toggle("poked", isPoking());
  };
  const tell = (state, panels) => {
    forking.tell(state);
    poke.set(panels.filter(({ visible }) => visible).map(({ panel }) => panel), isPoking());
    if (isPoking()) poke.tell(pokeSaid(panels[2], state));
  };
  return { node, keys: poke.keys, isPoking, set, tell };
}

function makeWalking(change) {
  const share = makeSlider({ label: "share of the second noise", count: 101, said: (index) => `${index} %`, ownKeys: true, onInput: (index) => change({ share: index / 100 }) });
  const ends = [element("span"), element("span")];
  const set = (state) => {
    share.set(Math.round(100 * state.share));
    endsOf(state.seeds).forEach((seed, i) => (ends[i].textContent = `seed ${seed}`));
  };
  return { node: element("div", { class: "between" }, ends[0], share.node, ends[1]), set };
}

function makeForking(get, change) {
  const words = element("textarea", { class: "other-words", rows: 2, "aria-label": "the other words", maxlength: 2000, spellcheck: "false", oninput: () => change({ otherWords: words.value }) });
  const here = element("button", { type: "button", class: "here", onclick: () => change({ at: get().state }) });
  const set = ({ otherWords }) => {
    if (words.value !== otherWords) words.value = otherWords;
  };
  const tell = ({ at, state }) => (here.textContent = at === state ? `forks at state ${at}` : `fork here instead of at ${at}`);
  return { node: element("div", { class: "forking" }, words, here), set, tell };
}

function makeTuning(sliders, change) {
  const chosen = makeTabs({ label: "LoRA", choices: sliders.map(({ name, file }, i) => ({ value: String(i), text: name, title: file })), onChoose: (lora) => change({ lora: Number(lora) }) });
  const strength = makeSlider({
    label: "strength of the LoRA", count: Math.round(STRENGTH.most / STRENGTH.fine) + 1, said: (index) => `strength ${inSteps(index)}`, ownKeys: true,
    onInput: (index) => change({ strength: inSteps(index) }),
  });
  const told = element("span", { "aria-hidden": "true" });
  const spoken = element("p", { class: "explained" });
  const set = (state) => {
    chosen.set(String(state.lora));
    strength.set(Math.round(state.strength / STRENGTH.fine));
    told.textContent = state.strength.toFixed(2);
    const place = placeOf(state.words, sliders[state.lora]);
    spoken.textContent = place === null ? "" : `It was taught the words “${sliders[state.lora].words}”: here they stand ${place ? `for “${place}”` : "at the end"}.`;
  };
  const between = element("div", { class: "between" }, told, strength.node, element("span", { text: String(STRENGTH.most) }));
  return { node: element("div", { class: "tuning" }, chosen.node, between, spoken), set };
}

function inSteps(index) {
  return Number((index * STRENGTH.fine).toFixed(2));
}

/** What a poke did to the state that is looked at. */
function pokeSaid({ latents }, { state, at, strokes, view }) {
  if (!strokes.length) return "Both runs are one until something is poked.";
  if (state < at) return `Before state ${at} both are one run.`;
  const lengths = latents(state, view === "guess" ? "guess" : "canvas");
  return lengths ? `Poked at state ${at}: ${percent(changedShare(lengths))} of the ${view === "guess" ? "guess" : "latents"} is another at state ${state}.` : "";
}
