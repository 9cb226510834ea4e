/** The live deck: the model denoises here, and the deck's page shows it while it goes on. */

import { bytesOf } from "../../media/page/bytes.js";
import { captionOf } from "../../media/page/captions.js";
import { heatTable } from "../../media/page/colours.js";
import { makeCompare, modesOf, seen } from "../../media/page/compare.js";
import { makeCommand } from "../../media/page/copy.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { decibels, percent, threeFigures, timestep } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { blit } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeSlider } from "../../media/page/slider.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeTimeline } from "../../media/page/timeline.js";
import { makeSettings, makeWords } from "./controls.js";
import { makeDrawings } from "./drawings.js";
import { makeEngine } from "./engine.js";
import { endsOf, EXPERIMENTS, openingOf, panelsOf, placeOf, settingsOf, wishesOf } from "./experiments.js";
import { canFilm, commandOf, download, filmed, withTexts } from "./handoff.js";
import { makeLanes } from "./lanes.js";
import { changedShare, EXAMPLE, makePoke } from "./poke.js";
import { makeReach } from "./reach.js";
import { committedAt, makeSpectrum, settling } from "./settle.js";
import { standIn } from "./standin.js";
import { stored } from "./stored.js";
import { makeTokenizer } from "./tokens.js";

const VIEWS = { canvas: "Canvas", guess: "Guess", latent: "Latent" };
const MEASURES = [["layout", "amber"], ["detail", "teal"]];
const KEYS = {
  other: "← → step · space play · 1–3 view · s compare · ↑ ↓ seed · r roll",
  poke: "← → step · space play · 1–3 view · w a s d ring · Enter poke · r roll",
};
const FILM = { one: 768, each: 512 }; // pixels of a picture in a film that shows one, or several
const LAG = 8; // states that a picture on the screen may be behind the run
const STRENGTH = { most: 2, fine: 0.05 }; // of a LoRA
const LATENT_RANGE = 3; // of the latents' values that are black and white

export async function lab(data) {
  document.body.classList.add("live");
  try {
    await live(data);
  } catch (error) {
    standIn(data, error);
  }
}

async function live(data) {
  if (typeof WebAssembly !== "object" || typeof DecompressionStream !== "function") {
    throw new Error("This browser has no WebAssembly or is too old to unpack the model.");
  }
  await typefaces(data);
  const { side, sliders } = data;
  const tokens = makeTokenizer(data.tokenizer);
  const numbers = new Float32Array(bytesOf(data.schedule).buffer);
  const third = numbers.length / 3;
  const schedule = { bars: numbers.subarray(0, third), roots: numbers.subarray(third, 2 * third), noises: numbers.subarray(2 * third) };
  const engine = makeEngine({ side, loaded: unpacked(data) });
  const contexts = new Map();
  const contextOf = (words) => {
    if (!contexts.has(words)) contexts.set(words, engine.text(tokens.ids(words)));
    return contexts.get(words);
  };
  const lanes = makeLanes({
    schedule, offset: data.offset, engine, contextOf,
    told: () => store.change({ made: store.state.made + 1 }), failed: (error) => standIn(data, error),
  });
  let [shown, timeline, count] = [[], null, 0];

  /* the parts of the page */
  const stage = makeStage();
  const views = makeTabs({ label: "view", choices: Object.entries(VIEWS).map(([value, text], i) => ({ value, text, key: String(i + 1) })), onChoose: (view) => store.change({ view }) });
  const words = makeWords({ grammar: data.grammar, tokens, extra: data.extra_words, onWords: (text) => store.change({ words: text }) });
  const switches = element("div", { class: "switches" }, views.node);
  const shell = makeShell({ data, title: words.node, stage, tabs: switches, keys: KEYS.other, yields: true });
  const settings = makeSettings({ onChange: (patch) => store.change({ ...patch, ...(patch.seeds ? { seed: 0, other: 0 } : {}) }) });
  const experiments = makeTabs({
    label: "experiment", choices: Object.entries(EXPERIMENTS).map(([value, { text, title }]) => ({ value, text, title })),
    onChoose: (experiment) => store.change({ experiment, ...openingOf(experiment, store.state.steps) }),
  });
  const said = element("p", { class: "explained" });
  const share = makeSlider({ label: "share of the second noise", count: 101, said: (index) => `${index} %`, ownKeys: true, onInput: (index) => store.change({ share: index / 100 }) });
  const other = element("textarea", { class: "other-words", rows: 2, "aria-label": "the other words", maxlength: 2000, spellcheck: "false", oninput: () => store.change({ otherWords: other.value }) });
  const here = element("button", { type: "button", class: "here", text: "fork here", onclick: () => store.change({ at: store.state.state }) });
  const ends = [element("span"), element("span")];
  const way = element("div", { class: "between" }, ends[0], share.node, ends[1]);
  const chosen = makeTabs({ label: "LoRA", choices: sliders.map(({ name, file }, i) => ({ value: String(i), text: name, title: file })), onChoose: (lora) => store.change({ lora: Number(lora) }) });
  const strength = makeSlider({
    label: "strength of the LoRA", count: Math.round(STRENGTH.most / STRENGTH.fine) + 1, said: (index) => `strength ${inSteps(index)}`, ownKeys: true,
    onInput: (index) => store.change({ strength: inSteps(index) }),
  });
  const strengthTold = element("span", { "aria-hidden": "true" });
  const spoken = element("p", { class: "explained" });
  const tuning = element("div", { class: "tuning" }, chosen.node, element("div", { class: "between" }, strengthTold, strength.node, element("span", { text: String(STRENGTH.most) })), spoken);
  const poke = makePoke({ side, get: () => store.state, change: (patch) => store.change(patch) });
  const poking = () => store.state.experiment === "poke";
  poke.listen(stage.node, poking);
  const extra = element("div", { class: "extra" }, said, way, element("div", { class: "forking" }, other, here), poke.node, tuning);
  const readout = makeReadout(["t", "σ", "ᾱ", "SNR"]);
  const engineTold = element("p", { class: "engine", "aria-live": "polite", text: "loading the model …" });
  const plot = makePlot({ onScrub: (part) => timeline.scrub(part * (count - 1)), hint: (part) => stateSaid(Math.round(part * (count - 1))) });
  const compare = makeCompare({
    label: "seed", count: 4, names: ["1", "2", "3", "4"],
    get: () => ({ now: store.state.seed, other: store.state.other, mode: store.state.mode }),
    change: ({ now = store.state.seed, ...rest }) => store.change({ seed: now, ...rest }),
  });
  const [modes, picks] = [compare.node.querySelector('[aria-label="compare"]'), compare.node.querySelector('[aria-label="seed"]')];
  const headline = element("div", { class: "headline" }, readout.nodes[0], modes);
  const controls = element("div", { class: "controls" }, extra, settings.node, element("div", { class: "numbers" }, headline, readout.table));
  switches.append(experiments.node);
  shell.side.append(controls, element("div", { class: "plot-place" }, plot.node), engineTold);
  picks.remove();
  const hands = element("div", { class: "hand-off" });
  document.querySelector("footer").append(hands);

  /* drawing */
  const spectrum = makeSpectrum(side);
  const spectra = new WeakMap();
  const spectrumOf = (latents) => {
    if (!spectra.has(latents)) spectra.set(latents, spectrum(latents));
    return spectra.get(latents);
  };
  const stateSaid = (k) => {
    const level = shown[0]?.lane.sampler.levels[k];
    return level ? `state ${k} of ${count - 1} · t ${timestep(level.timestep)} · σ ${threeFigures(level.sigma)} · ᾱ ${threeFigures(level.alpha_bar)}` : `state ${k}`;
  };
  const cells = makeCells(side);
  const drawable = makeReach(data.reach);
  /** What is drawn of a panel, {latents, factor}, or null. */
  const shownOf = (panel, view, k) => {
    const { states } = panel.lane;
    const at = Math.min(k, states.length - 1);
    const latents = panel.latents(at, view);
    const maker = states[at]?.lane ?? states[at - 1]?.lane ?? panel.lane; // of a guess that two runs share, the first one
    return latents && view === "guess" && !panel.heat ? drawable(maker, latents) : latents && { latents, factor: 1 };
  };
  const latentsOf = (panel, view, k) => shownOf(panel, view, k)?.latents ?? null;
  const pictureOf = (panel, view, k) => {
    const latents = latentsOf(panel, view, k);
    if (!latents) return null;
    if (panel.heat) return cells.heat(latents, panel.heat === true ? null : panel.heat);
    return view === "latent" ? cells.colours(latents) : drawings.get(latents);
  };
  const drawings = makeDrawings({ side, decode: (z) => engine.decode(z), busy: () => lanes.busy(), told: () => store.change({ decoded: store.state.decoded + 1 }) });

  const wantDrawings = (state) => {
    if (state.view === "latent") return;
    const near = Array.from({ length: count }, (_, k) => k).sort((a, b) => Math.abs(a - state.state) - Math.abs(b - state.state));
    const visible = shown.filter((panel) => !panel.heat && panel.visible);
    const all = (panel, view) => near.map((k) => (k < panel.lane.states.length ? latentsOf(panel, view, k) : null));
    const first = stripPanel(state);
    const otherView = state.view === "guess" ? "canvas" : "guess";
    const latest = state.follow ? visible.map((panel) => latentsOf(panel, state.view, newest())) : [];
    drawings.want([
      ...latest, ...visible.map((panel) => latentsOf(panel, state.view, state.state)), ...all(first, state.view), // what is looked at, then its strip
      ...(lanes.busy() ? [] : [...visible.flatMap((panel) => all(panel, state.view)), ...visible.flatMap((panel) => all(panel, otherView))]),
    ].filter(Boolean)).catch((error) => standIn(data, error));
  };

  const stripPanel = (state) => shown[state.experiment === "deck" ? Math.min(state.seed, shown.length - 1) : EXPERIMENTS[state.experiment].strip ?? 0];
  const newest = () => Math.max(0, Math.min(...shown.map(({ lane }) => (lane.done ? lane.wish.steps : lane.states.length - 2))));
  /** The state to be shown of a run that goes on: the last one drawn in full, or the newest where that is long ago. */
  const following = (state, again) => {
    const [last, before] = [newest(), again ? 0 : state.state];
    if (state.view === "latent") return last;
    const visible = shown.filter((panel) => panel.visible && !panel.heat);
    const isDrawn = (k) => visible.every((panel) => drawings.has(latentsOf(panel, state.view, k)));
    for (let k = last; k >= Math.max(before, last - LAG); k--) if (isDrawn(k)) return k;
    return last <= before + LAG ? before : last; // its picture is on the way
  };
  const makeFoot = (states) => {
    count = states;
    timeline?.player.stop();
    shell.foot.replaceChildren();
    timeline = makeTimeline({
      foot: shell.foot, label: "state", count, said: stateSaid,
      onScrub: (state) => store.change({ state, follow: state === count - 1 && !shown[0]?.lane.done }),
      strip: {
        ratio: 1, smooth: () => store.state.view !== "latent",
        picture: (index) => {
          const panel = stripPanel(store.state);
          return panel && index < panel.lane.states.length ? pictureOf(panel, store.state.view, index) : null;
        },
      },
      advance: () => {
        const state = (store.state.state + 1) % count;
        store.change({ state, follow: false });
        return state === count - 1 ? 1600 : Math.max(80, Math.min(400, 6000 / count));
      },
    });
  };

  const tellTuning = (state) => {
    chosen.set(String(state.lora));
    strength.set(Math.round(state.strength / STRENGTH.fine));
    strengthTold.textContent = state.strength.toFixed(2);
    const place = placeOf(state.words, sliders[state.lora]);
    spoken.textContent = place === null ? "" : `It was taught the words “${sliders[state.lora].words}”: here they stand ${place ? `for “${place}”` : "at the end"}.`;
  };
  const layPanels = (state) => {
    const deck = state.experiment === "deck";
    const mode = deck && shown.length > 1 ? state.mode : deck ? "one" : "all";
    const numbersSeen = deck ? seen({ now: Math.min(state.seed, shown.length - 1), other: Math.min(state.other, shown.length - 1), mode }, shown.length) : shown.map((_, i) => i);
    shown.forEach((panel, i) => (panel.visible = numbersSeen.includes(i)));
    const panels = stage.show({
      captions: numbersSeen.map((i) => shown[i].caption), proportion: 1, split: mode === "split", label: "seam between the two seeds",
      onChoose: deck ? (index) => compare.choose(numbersSeen[index]) : null,
    });
    numbersSeen.forEach((i, place) => (shown[i].panel = panels[place]));
    modes.hidden = !deck || shown.length < 2;
    compare.set({ now: state.seed, other: state.other, mode });
    shell.fit();
  };

  const drawPlot = (state) => {
    const first = stripPanel(state);
    const guesses = first.lane.states.map(({ guess }) => guess).filter(Boolean);
    const pad = (values) => [...values, ...Array(Math.max(0, count - values.length)).fill(null)];
    const found = guesses.length > 1 ? settling(guesses.map(spectrumOf), side) : { layout: [], detail: [] };
    plot.draw({
      title: first.lane.done ? "distance of the guess to the final picture" : "distance of the guess to the newest one",
      caption: data.captions.settling,
      ends: ["noise", "picture"], top: 1, thresholds: data.thresholds.map(({ value, role }) => ({ value, role, text: `${role === "amber" ? "layout" : "detail"} fixed: under ${value}` })),
      curves: MEASURES.map(([label, role]) => ({ label: first.lane.done && found[label].length > 2 ? label : "", role, values: pad(found[label]) })),
    });
    const fixed = first.lane.done ? MEASURES.map(([name, role], i) => ({ name, role, index: committedAt(found[name], data.thresholds[i].value) })) : [];
    timeline.mark(fixed.map(({ name, role, index }) => ({ index, role, text: `${name} fixed ${index}`, onclick: () => timeline.scrub(index) })), fixed.map(({ role, index }) => ({ index, role })));
  };

  let drawn = {};
  const changed = (state, ...names) => names.some((name) => state[name] !== drawn[name]);
  const RERUN = ["words", "negative", "seeds", "cfg", "steps", "sampler", "experiment", "share", "otherWords", "at", "strokes", "lora", "strength"];
  const config = data.config;
  const store = makeStore({
    words: config.prompt, negative: config.negative_prompt, seeds: config.seeds, cfg: config.cfg, steps: config.steps, sampler: config.sampler,
    experiment: "deck", share: 0.5, otherWords: data.other_words, at: Math.round(config.steps / 4),
    lora: 0, strength: sliders[0]?.scale || 1, strokes: EXAMPLE, tool: "noise", brush: EXAMPLE[0].r,
    view: "guess", seed: 0, other: 0, mode: "all", state: 0, follow: true, decoded: 0, made: 0,
  }, (state) => {
    const again = changed(state, ...RERUN) || (state.experiment === "guidance" && changed(state, "seed"));
    if (again) {
      state.at = Math.min(state.at, state.steps - 1);
      words.set(state.words);
      settings.set(state);
      experiments.set(state.experiment);
      state.follow ||= state.state >= (drawn.steps ?? 0);
      const seedWas = state.seed;
      if (changed(state, "steps") || !timeline) {
        makeFoot(state.steps + 1);
        state.state = Math.min(state.state, state.steps);
      }
      document.body.removeAttribute("data-done");
      shown = panelsOf(state, lanes.sample(wishesOf(state, side, sliders)), side, sliders);
      state.seed = Math.min(seedWas, Math.max(0, state.seeds.length - 1));
      said.textContent = EXPERIMENTS[state.experiment].said;
      controls.classList.toggle("short", !["fork", "poke", "lora"].includes(state.experiment)); // the numbers fit below
      share.set(Math.round(100 * state.share));
      way.hidden = state.experiment !== "walk";
      endsOf(state.seeds).forEach((seed, i) => (ends[i].textContent = `seed ${seed}`));
      other.parentNode.hidden = state.experiment !== "fork";
      tuning.hidden = state.experiment !== "lora";
      if (!tuning.hidden) tellTuning(state);
      stage.node.classList.toggle("poked", state.experiment === "poke");
      document.querySelector("footer .keys").textContent = KEYS[state.experiment] ?? KEYS.other;
      if (other.value !== state.otherWords) other.value = state.otherWords;
      here.textContent = state.at === state.state ? `forks at state ${state.at}` : `fork here instead of at ${state.at}`;
      hand(state);
    }
    const laneDone = shown.every(({ lane }) => lane.done);
    if (state.follow) state.state = following(state, again);
    if (laneDone && state.state === state.steps) state.follow = false;
    here.textContent = state.at === state.state ? `forks at state ${state.at}` : `fork here instead of at ${state.at}`;
    if (again || changed(state, "mode", "seed", "other")) layPanels(state);
    shown.filter((panel) => panel.visible).forEach((shownPanel) => {
      const { panel, heat, caption } = shownPanel;
      const picture = pictureOf(shownPanel, state.view, state.state);
      const factor = shownOf(shownPanel, state.view, state.state)?.factor ?? 1;
      panel.tell(captionOf(caption, factor < 1 && `drawn ×${twoFigures(factor)}`));
      panel.blank(picture ? null : engine.isReady() ? "" : "loading the model …");
      panel.canvas.classList.toggle("cells", Boolean(heat) || state.view === "latent");
      blit(panel.canvas, picture);
    });
    poke.set(shown.filter((panel) => panel.visible).map(({ panel }) => panel), state.experiment === "poke");
    if (state.experiment === "poke") poke.tell(pokeSaid(shown[2], state));
    if (again || changed(state, "view", "made", "seed")) {
      views.set(state.view);
      drawPlot(state);
    }
    if (again || changed(state, "view", "made", "seed", "decoded")) timeline.redraw();
    const level = shown[0].lane.sampler.levels[state.state];
    readout.tell(String(state.state), `of ${state.steps}`, [timestep(level.timestep), threeFigures(level.sigma), threeFigures(level.alpha_bar), decibels(level.snr_db, level.sigma === 0 ? "∞" : "–")]);
    timeline.move(state.state);
    plot.move(state.state);
    if (again || changed(state, "made", "view", "state", "seed", "mode")) wantDrawings(state);
    const visible = shown.filter((panel) => panel.visible && !panel.heat);
    const ready = laneDone && !state.follow && (state.view === "latent" || visible.every((panel) => drawings.has(latentsOf(panel, state.view, state.state))));
    document.body.toggleAttribute("data-done", ready);
    drawn = { ...state };
  });

  /* what a reader takes along */
  let commandNode = null;
  const hand = (state) => {
    const command = makeCommand(commandFor(state));
    if (commandNode) commandNode.replaceWith(command);
    else hands.append(command, element("button", { type: "button", class: "save", text: "save picture", onclick: savePicture }),
      ...(canFilm() ? [element("button", { type: "button", class: "save", text: "save film", onclick: (event) => saveFilm(event.target) })] : []));
    commandNode = command;
  };
  const commandFor = (state) => {
    const { experiment, seeds, at, otherWords } = state;
    const run = { ...state, words: settingsOf(state, sliders).words };
    if (experiment === "fork") return commandOf({ ...run, seeds: seeds.slice(0, 1), fork: { at, to: otherWords } }, data.defaults.fork, lorasOf(state));
    if (experiment === "walk") return commandOf({ ...run, seeds: endsOf(seeds) }, data.defaults.walk, lorasOf(state), "walk");
    return commandOf({ ...run, seeds: seedsShown(state) }, data.defaults.sample, lorasOf(state));
  };
  /** The LoRAs of the run that is shown, as a config has them. */
  const lorasOf = (state) => {
    const { strengths } = settingsOf(state, sliders);
    return [...data.loras, ...sliders.map(({ file }, i) => ({ file, scale: strengths[i] })).filter(({ scale }) => scale !== 0)];
  };
  /** The panels at a state as one picture, each `size` pixels wide, in the stage's rows; a seam does not divide two. */
  const composed = async (state, size) => {
    const panels = shown.filter((panel) => panel.visible);
    const isSplit = state.experiment === "deck" && state.mode === "split";
    const across = isSplit ? panels.length : Math.min(panels.length, Number(stage.node.style.getPropertyValue("--columns")) || 1);
    const canvas = element("canvas", { width: across * size, height: Math.ceil(panels.length / across) * size });
    const ink = canvas.getContext("2d", { alpha: false });
    for (const [i, panel] of panels.entries()) {
      const isCells = panel.heat || state.view === "latent";
      const latents = latentsOf(panel, state.view, state.state);
      const picture = !latents ? null : isCells ? pictureOf(panel, state.view, state.state) : await drawings.now(latents);
      Object.assign(ink, { imageSmoothingEnabled: !isCells, imageSmoothingQuality: "high" });
      if (picture) ink.drawImage(picture, (i % across) * size, Math.floor(i / across) * size, size, size);
    }
    return canvas;
  };
  const nameOf = (state) => (state.experiment === "deck" ? `seed-${seedsShown(state).join("-")}` : `${state.experiment}-seed-${state.seeds[0]}`);
  const seedsShown = (state) => (state.experiment === "deck" ? state.seeds : [state.experiment === "guidance" ? state.seeds[state.seed] : state.seeds[0]]);
  const savePicture = async () => {
    const state = { ...store.state };
    const canvas = await composed(state, data.size);
    const png = new Uint8Array(await (await new Promise((done) => canvas.toBlob(done, "image/png"))).arrayBuffer());
    download(withTexts(png, textsOf(data, { ...state, words: settingsOf(state, sliders).words }, seedsShown(state), lorasOf(state))), `${nameOf(state)}.png`);
  };
  const saveFilm = async (button) => {
    const state = { ...store.state };
    button.disabled = true;
    button.textContent = "filming …";
    const many = shown.filter((panel) => panel.visible).length;
    const frames = Array.from({ length: count }, (_, k) => () => composed({ ...state, state: k }, many > 1 ? FILM.each : FILM.one));
    try {
      const { blob, extension } = await filmed(frames);
      download(blob, `${nameOf(state)}.${extension}`);
    } finally {
      button.textContent = "save film";
      button.disabled = false;
    }
  };
  /* keys, then the model */
  const forward = (key) => (event) => timeline.keys()[key](event);
  listen({
    ...Object.fromEntries(["ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End", " "].map((key) => [key, forward(key)])),
    ...Object.fromEntries(Object.keys(VIEWS).map((view, i) => [String(i + 1), () => store.change({ view })])),
    ArrowUp: () => store.change({ seed: (store.state.seed + store.state.seeds.length - 1) % store.state.seeds.length }),
    ArrowDown: () => store.change({ seed: (store.state.seed + 1) % store.state.seeds.length }),
    ...Object.fromEntries(Object.entries(poke.keys).map(([key, action]) => [key, () => poking() && action()])),
    s: () => (poking() ? poke.keys.s() : store.change({ mode: modesOf(4)[(modesOf(4).indexOf(store.state.mode) + 1) % 3], other: (store.state.seed + 1) % store.state.seeds.length })),
    r: () => settings.roll(), "/": () => words.focus(),
  });
  store.change();
  const readyIn = await engine.ready;
  engineTold.textContent = `${data.engine} · wasm on 3 threads · ${data.weights} weights · ready in ${(readyIn / 1000).toFixed(1)} s`;
  store.change({ made: store.state.made + 1 });
}

function inSteps(index) {
  return Number((index * STRENGTH.fine).toFixed(2));
}

/** A factor as Python's "%.2g" has it, from 0.0001 on. */
function twoFigures(factor) {
  return String(Number(factor.toPrecision(2)));
}

/** Have the typefaces ready before anything is measured. */
async function typefaces({ fonts, stored: told }) {
  await Promise.all(fonts.map(async ({ family, weight }, i) => {
    const face = new FontFace(family, await stored(`font/${i}`, told[`font/${i}`]), { weight });
    document.fonts.add(await face.load());
  }));
}

/** Unpack what the file carries, once the page itself is on the screen. */
async function unpacked(data) {
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const wanted = Object.entries(data.stored).filter(([id]) => !id.startsWith("font/"));
  const parts = Object.fromEntries(await Promise.all(wanted.map(async ([id, told]) => [id, await stored(id, told)])));
  return { source: [parts.engine, "\n", data.worker], wasm: parts.wasm, packs: parts, loras: data.sliders.map((_, i) => parts[`lora/${i}`]) };
}

/** What a poke did to the state that is looked at. */
function pokeSaid({ latents }, { state, at, strokes, view }) {
  if (!strokes.length) return "Both runs are one until something is poked.";
  if (state < at) return `Before state ${at} both are one run.`;
  const lengths = latents(state, view === "guess" ? "guess" : "canvas");
  return lengths ? `Poked at state ${at}: ${percent(changedShare(lengths))} of the ${view === "guess" ? "guess" : "latents"} is another at state ${state}.` : "";
}

/**
 * The texts in a saved picture: for other tools, for `denoisecli import`, which gives the settings back, and under "live"
 * what only this page knows: the tab, the state and the view, and what the tab did to the run.
 */
function textsOf(data, state, seeds, loras) {
  const tags = loras.map(({ file, scale }) => ` <lora:${nameIn(file)}:${scale}>`).join("");
  const lines = [state.words + tags, ...(state.negative ? [`Negative prompt: ${state.negative}`] : []),
    `Steps: ${state.steps}, Sampler: ${data.sampler_names[state.sampler]}, CFG scale: ${state.cfg}, Seed: ${seeds[0]}, Size: ${data.size}x${data.size}, Model: pocket, RNG: CPU`];
  const own = {
    ...data.own, prompt: state.words, negative_prompt: state.negative, steps: state.steps, cfg: state.cfg, sampler: state.sampler,
    loras: loras.map((lora) => ({ ...lora, file: nameIn(lora.file) })), seeds: ["@seeds"],
  };
  const { experiment, view, at, otherWords, share, strokes } = state;
  const tab = { fork: { at, to: { prompt: otherWords } }, walk: { between: endsOf(state.seeds), share }, poke: { at, strokes } }[experiment];
  const told = { tab: experiment, state: state.state, view, weights: data.weights, ...tab };
  return { parameters: lines.join("\n"), denoisecli: ascii(own).replace('"@seeds"', seeds.join(", ")), live: ascii(told) };
}

function nameIn(file) {
  return file.split(/[\\/]/).pop().replace(/\.safetensors$/, "");
}

function ascii(value) {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Small canvases of latents, one pixel a cell: three channels as colours, or a length as heat. */
function makeCells(side) {
  const made = new WeakMap();
  const canvasOf = (latents, colour) => {
    if (made.has(latents)) return made.get(latents);
    const canvas = element("canvas", { width: side, height: side });
    const image = new ImageData(side, side);
    for (let i = 0; i < side * side; i++) image.data.set([...colour(i), 255], 4 * i);
    canvas.getContext("2d").putImageData(image, 0, 0);
    made.set(latents, canvas);
    return canvas;
  };
  const colours = (latents) => canvasOf(latents, (i) => [0, 1, 2].map((c) => 127.5 * (1 + latents[c * side * side + i] / LATENT_RANGE)));
  const heat = (lengths, far) => {
    const table = heatTable();
    const most = far ?? (Math.max(...lengths) || 1);
    return canvasOf(lengths, (i) => table.subarray(3 * Math.round(255 * Math.min(1, lengths[i] / most))).subarray(0, 3));
  };
  return { colours, heat };
}
