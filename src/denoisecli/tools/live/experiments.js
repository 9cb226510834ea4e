/** What only a live page can show: which runs an experiment asks for, and which panels show them. */

import { difference, poked } from "./poke.js";
import { randn, seedBits, slerp } from "./randn.js";

const CHANNELS = 4;
const FAR = 3; // length of a cell's difference that is brightest: of two finished pictures most are below it

export const EXPERIMENTS = {
  deck: { text: "Deck", title: "every state of a run, for each seed", said: "Change words, seeds or settings: the run starts again at once." },
  guidance: { text: "Guidance", title: "what the scale does inside a step", said: "One noise, predicted twice: drag cfg and see where the prompt makes the difference." },
  walk: { text: "Walk", title: "from one noise to another", said: "Drag from one noise to another: each place on the way is a run of its own." },
  fork: { text: "Fork", title: "other words from a state on", said: "Up to this state both are one run; from there on the second hears other words.", strip: 1 },
  poke: { text: "Poke", title: "a state disturbed by hand", said: "Stop at a state and rub other noise into a picture: early wounds heal, late ones stay.", strip: 1 },
  lora: { text: "LoRA", title: "a LoRA at any strength", said: "One noise without and with a LoRA: drag its strength, and see what was added to the model.", strip: 1 },
  noise: { text: "Noise", title: "the finished picture drowned again", said: "The run's states, and the finished picture under the very noise that it came from: the model does not go the straight way." },
};

/** What a page shows first when an experiment is chosen: the last state says nothing of guidance, nor of noise. */
export function openingOf(experiment, steps) {
  if (experiment === "guidance") return { view: "guess", state: Math.round(steps / 4), follow: false };
  if (experiment === "poke") return { view: "guess", follow: true };
  if (experiment === "noise") return { view: "canvas", state: Math.round(0.6 * steps), follow: false };
  return { follow: true };
}

/** The two seeds that a walk goes between: the first two, or one and the next. */
export function endsOf([first, second]) {
  return [first, second ?? String(BigInt(first) + 1n)];
}

/** What of a prompt a LoRA's own words stand for: others of their kind, "" at its end, null where they are there. */
export function placeOf(prompt, { words, instead }) {
  if (!words || prompt.toLowerCase().includes(words.toLowerCase())) return null;
  return instead.find((other) => prompt.includes(other)) ?? "";
}

/** A prompt that holds a LoRA's own words (lora/built_in.py). */
export function withWords(prompt, lora) {
  const place = placeOf(prompt, lora);
  return place === null ? prompt : place ? prompt.replace(place, () => lora.words) : `${prompt}, ${lora.words}`;
}

/** The run that a tab shows: its words, and each LoRA's strength, which is the config's but for the one on its own tab. */
export function settingsOf({ experiment, words, lora, strength }, sliders) {
  const scales = sliders.map(({ scale }) => scale);
  if (experiment !== "lora") return { words, strengths: scales };
  return { words: withWords(words, sliders[lora]), strengths: scales.map((scale, i) => (i === lora ? strength : scale)) };
}

/** Return the lanes (lanes.js) that a state of the page asks for. sliders: [{file, scale, name, words, instead}], the LoRAs. */
export function wishesOf(state, side, sliders) {
  const { negative, cfg, steps, sampler, seeds } = state;
  const { words, strengths } = settingsOf(state, sliders);
  const common = { words, negative, cfg, steps, sampler, strengths };
  const drawn = (seed) => randn(seedBits(seed), CHANNELS * side * side);
  const wish = (seed) => ({ ...common, key: JSON.stringify([seed, common]), noise: drawn(seed) });
  const [first, second] = endsOf(seeds);
  if (state.experiment === "walk") {
    return [{ ...common, key: JSON.stringify([first, second, state.share, common]), noise: slerp(drawn(first), drawn(second), state.share) }];
  }
  if (state.experiment === "fork") {
    const trunk = wish(first);
    const branch = { ...common, words: state.otherWords, from: { key: trunk.key, at: state.at } };
    return [trunk, { ...branch, key: JSON.stringify([trunk.key, state.otherWords, state.at]) }];
  }
  if (state.experiment === "poke") {
    const trunk = wish(first);
    const { strokes, at } = state;
    const edit = (x, by) => {
      const unit = 1 / by.canvas(Float32Array.of(1), at)[0]; // Euler's latents grow with their noise
      return poked(x, strokes, side, drawn(String(BigInt(first) + 1n)).map((value) => unit * value));
    };
    return [trunk, { ...common, key: JSON.stringify([trunk.key, strokes, at]), from: { key: trunk.key, at, edit } }];
  }
  if (state.experiment === "lora") {
    const without = { ...common, strengths: strengths.map((scale, i) => (i === state.lora ? 0 : scale)) };
    return [{ ...without, key: JSON.stringify([first, without]), noise: drawn(first) }, wish(first)];
  }
  if (state.experiment === "guidance") {
    const shown = wish(seeds[state.seed] ?? first);
    return [cfg === 0 || cfg === 1 ? { ...shown, both: true, key: JSON.stringify([shown.key, "both"]) } : shown];
  }
  if (state.experiment === "noise") return [wish(first)];
  return seeds.map(wish);
}

/**
 * Return the panels: {lane, caption, latents(k, view), heat}. latents: what to draw of state k, in "canvas" and "latent"
 * x_t, in "guess" the guess; heat: they are lengths, one a cell: the length that is brightest, or true for their own most.
 */
export function panelsOf(state, lanes, side, sliders) {
  if (state.experiment === "guidance") return guidancePanels(lanes[0]);
  if (state.experiment === "noise") return [plain(lanes[0], `seed ${state.seeds[0]}, the run`), drowned(lanes[0])];
  if (state.experiment === "poke") return pokePanels(state, lanes, side);
  const percent = Math.round(100 * state.share);
  const captions = {
    walk: [percent % 100 ? `${percent} % of the way` : `seed ${endsOf(state.seeds)[percent / 100]}`],
    fork: [`seed ${state.seeds[0]}`, `other words from state ${state.at}`],
    lora: [`seed ${state.seeds[0]}, without`, `${sliders[state.lora]?.name} at ${state.strength}`],
  }[state.experiment] ?? state.seeds.map((seed) => `seed ${seed}`);
  return lanes.map((lane, i) => plain(lane, captions[i]));
}

function plain(lane, caption) {
  const latents = (k, view) => {
    const found = lane.states[k];
    if (!found) return null;
    if (view === "guess") return found.guess ?? lane.states[k - 1]?.guess ?? null;
    return (found.canvas ??= lane.sampler.canvas(found.x, k));
  };
  return { lane, caption, latents };
}

/** Both halves as guesses, what guidance makes of them, and where it pulls: |cond − uncond| in each cell. */
function guidancePanels(lane) {
  const made = new Map();
  const derived = (name, k, make) => {
    const key = `${name}/${k}`;
    const state = lane.states[k];
    if (!state?.uncond || !state.cond) return null;
    if (!made.has(key)) made.set(key, make(state));
    return made.get(key);
  };
  const last = (k) => Math.min(k, Math.max(0, lane.wish.steps - 1), Math.max(0, lane.states.length - 2));
  const guess = (half) => (k) => derived(half, last(k), (state) => lane.sampler.step(state.x, state[half], last(k), null).guess);
  const pull = (k) => derived("pull", last(k), ({ uncond, cond }) => {
    const cells = uncond.length / CHANNELS;
    return Float32Array.from({ length: cells }, (_, i) => Math.hypot(...[0, 1, 2, 3].map((c) => cond[c * cells + i] - uncond[c * cells + i])));
  });
  return [
    { ...plain(lane, `guided, cfg ${lane.wish.cfg}`) },
    { lane, caption: "|cond − uncond|", latents: pull, heat: true },
    { lane, caption: "without the prompt", latents: guess("uncond") },
    { lane, caption: "with the prompt", latents: guess("cond") },
  ];
}

/** The run, the run that was poked, and in each cell how far apart they are. */
function pokePanels({ seeds, at }, [trunk, branch], side) {
  const [one, other] = [plain(trunk, `seed ${seeds[0]}`), plain(branch, `poked at state ${at}`)];
  const made = new WeakMap();
  const apart = (k, view) => {
    if (k >= Math.min(trunk.states.length, branch.states.length)) return null;
    const [a, b] = [one, other].map((panel) => panel.latents(k, view));
    if (!a || !b) return null;
    if (!made.has(b)) made.set(b, new WeakMap());
    if (!made.get(b).has(a)) made.get(b).set(a, difference(a, b, side));
    return made.get(b).get(a);
  };
  return [one, other, { lane: branch, caption: "how far apart they are", latents: apart, heat: FAR }];
}

/** The forward process on the finished picture: x_t = √ᾱ · x₀ + √(1−ᾱ) · ε. */
function drowned(lane) {
  const made = new Map();
  const latents = (k) => {
    const last = lane.states[lane.wish.steps];
    if (!last) return null;
    if (!made.has(k)) {
      const bar = lane.sampler.levels[k].alpha_bar;
      const [signal, noise] = [Math.sqrt(bar), Math.sqrt(1 - bar)];
      made.set(k, k === lane.wish.steps ? last.guess : last.guess.map((value, i) => signal * value + noise * lane.wish.noise[i]));
    }
    return made.get(k);
  };
  return { lane, caption: "the picture under the same noise", latents };
}
