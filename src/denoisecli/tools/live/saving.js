/** The foot of the page: the command that makes the same run, and the picture and the film to save. */

import { makeCommand } from "../../media/page/copy.js";
import { element } from "../../media/page/dom.js";
import { endsOf, settingsOf } from "./experiments.js";
import { canFilm, commandOf, download, filmed, withTexts } from "./handoff.js";

const FILM = { one: 768, each: 512 }; // pixels of a picture in a film that shows one, or several

/**
 * get() → the page's state; panels() → those on the screen; columns() → how many of them stand side by side; pictures: of
 * makePictures. Returns {node, tell(state)}.
 */
export function makeSaving({ data, pictures, get, panels, columns }) {
  /** Panels at a state as one picture, each `size` pixels wide, in the stage's rows; a seam does not divide two. */
  const composed = async (shown, state, size) => {
    const isSplit = state.experiment === "deck" && state.mode === "split";
    const across = isSplit ? shown.length : Math.min(shown.length, columns());
    const canvas = element("canvas", { width: across * size, height: Math.ceil(shown.length / across) * size });
    const ink = canvas.getContext("2d", { alpha: false });
    for (const [i, panel] of shown.entries()) {
      const picture = await pictures.now(panel, state.view, state.state);
      Object.assign(ink, { imageSmoothingEnabled: !panel.heat && state.view !== "latent", imageSmoothingQuality: "high" });
      if (picture) ink.drawImage(picture, (i % across) * size, Math.floor(i / across) * size, size, size);
    }
    return canvas;
  };
  const savePicture = async () => {
    const state = { ...get() };
    const canvas = await composed(panels(), state, data.size);
    const png = new Uint8Array(await (await new Promise((done) => canvas.toBlob(done, "image/png"))).arrayBuffer());
    download(withTexts(png, textsOf(data, state)), `${nameOf(state)}.png`);
  };
  const saveFilm = async ({ target }) => {
    const [shown, state] = [panels(), { ...get() }];
    const size = shown.length > 1 ? FILM.each : FILM.one;
    const frames = Array.from({ length: state.steps + 1 }, (_, k) => () => composed(shown, { ...state, state: k }, size));
    Object.assign(target, { disabled: true, textContent: "filming …" });
    try {
      const { blob, extension } = await filmed(frames);
      download(blob, `${nameOf(state)}.${extension}`);
    } finally {
      Object.assign(target, { disabled: false, textContent: "save film" });
    }
  };
  const button = (text, onclick) => element("button", { type: "button", class: "save", text, onclick });
  let command = makeCommand("");
  const node = element("div", { class: "hand-off" }, command, button("save picture", savePicture), canFilm() ? button("save film", saveFilm) : null);
  const tell = (state) => {
    const next = makeCommand(commandFor(data, state));
    command.replaceWith(next);
    command = next;
  };
  return { node, tell };
}

function commandFor({ defaults, sliders, loras }, state) {
  const { experiment, seeds, at, otherWords } = state;
  const run = { ...state, words: settingsOf(state, sliders).words };
  const worn = lorasOf(state, sliders, loras);
  if (experiment === "fork") return commandOf({ ...run, seeds: seeds.slice(0, 1), fork: { at, to: otherWords } }, defaults.fork, worn);
  if (experiment === "walk") return commandOf({ ...run, seeds: endsOf(seeds) }, defaults.walk, worn, "walk");
  return commandOf({ ...run, seeds: seedsShown(state) }, defaults.sample, worn);
}

/** The LoRAs of the run that is shown, as a config has them. */
function lorasOf(state, sliders, added) {
  const { strengths } = settingsOf(state, sliders);
  return [...added, ...sliders.map(({ file }, i) => ({ file, scale: strengths[i] })).filter(({ scale }) => scale !== 0)];
}

function seedsShown({ experiment, seeds, seed }) {
  if (experiment === "deck") return seeds;
  return [experiment === "guidance" ? seeds[seed] : seeds[0]];
}

function nameOf(state) {
  return state.experiment === "deck" ? `seed-${seedsShown(state).join("-")}` : `${state.experiment}-seed-${state.seeds[0]}`;
}

/**
 * The texts in a saved picture: for other tools, for `denoisecli import`, which gives the settings back, and under "live"
 * what only this page knows: the tab, the state and the view, and what the tab did to the run.
 */
function textsOf(data, state) {
  const { negative, steps, cfg, sampler, experiment, view, at, otherWords, share, strokes } = state;
  const { words } = settingsOf(state, data.sliders);
  const seeds = seedsShown(state);
  const loras = lorasOf(state, data.sliders, data.loras).map((lora) => ({ ...lora, file: nameIn(lora.file) }));
  const tags = loras.map(({ file, scale }) => ` <lora:${file}:${scale}>`).join("");
  const lines = [words + tags, ...(negative ? [`Negative prompt: ${negative}`] : []),
    `Steps: ${steps}, Sampler: ${data.sampler_names[sampler]}, CFG scale: ${cfg}, Seed: ${seeds[0]}, Size: ${data.size}x${data.size}, Model: pocket, RNG: CPU`];
  const own = { ...data.own, prompt: words, negative_prompt: negative, steps, cfg, sampler, loras, seeds: ["@seeds"] };
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
