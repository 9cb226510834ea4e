/** The live deck: the model denoises here, and the deck's page shows it while it goes on. */

import { modesOf } from "../../media/page/compare.js";
import { listen } from "../../media/page/keys.js";
import { makeStore } from "../../media/page/store.js";
import { makeDesk, VIEWS } from "./desk.js";
import { makeModel } from "./model.js";
import { makePictures } from "./pictures.js";
import { EXAMPLE } from "./poke.js";
import { makeSaving } from "./saving.js";
import { makeScreen } from "./screen.js";
import { standIn } from "./standin.js";
import { stored } from "./stored.js";

const OF_THE_TIMELINE = ["ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End", " "];

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
  const store = makeStore(opening(data), (state) => screen.render(state));
  const [get, change, failed] = [() => store.state, store.change, (error) => standIn(data, error)];
  const oneMore = (name) => () => change({ [name]: get()[name] + 1 });

  const model = makeModel({ data, told: oneMore("made"), failed });
  const pictures = makePictures({ side: data.side, reach: data.reach, decode: model.engine.decode, busy: model.lanes.busy, told: oneMore("decoded") });
  const desk = makeDesk({ data, tokens: model.tokens, get, change, onScrub: (part) => screen.scrub(part), hint: (part) => screen.said(part) });
  const columns = () => Number(desk.stage.node.style.getPropertyValue("--columns")) || 1;
  const saving = makeSaving({ data, pictures, get, panels: () => screen.panels(), columns });
  document.querySelector("footer").append(saving.node);
  const screen = makeScreen({ data, model, pictures, saving, desk, get, change, failed });
  listen(keysOf({ screen, desk, get, change }));
  change();
  const readyIn = await model.engine.ready;
  desk.tellEngine(`${data.engine} · wasm on 3 threads · ${data.weights} weights · ready in ${(readyIn / 1000).toFixed(1)} s`);
  oneMore("made")();
}

/** What is being looked at. decoded, made: pictures and states so far. */
function opening({ config, sliders, other_words: otherWords }) {
  const { prompt: words, negative_prompt: negative, seeds, cfg, steps, sampler } = config;
  return {
    words, negative, seeds, cfg, steps, sampler, experiment: "deck", view: "guess", seed: 0, other: 0, mode: "all", state: 0, follow: true,
    share: 0.5, otherWords, at: Math.round(steps / 4), lora: 0, strength: sliders[0]?.scale || 1, strokes: EXAMPLE, tool: "noise", brush: EXAMPLE[0].r,
    decoded: 0, made: 0,
  };
}

function keysOf({ screen, desk, get, change }) {
  const next = (step) => (get().seed + step + get().seeds.length) % get().seeds.length;
  const compare = () => change({ mode: modesOf(4)[(modesOf(4).indexOf(get().mode) + 1) % 3], other: next(1) });
  const { keys, isPoking } = desk.own;
  return {
    ...Object.fromEntries(OF_THE_TIMELINE.map((key) => [key, (event) => screen.keys()[key](event)])),
    ...Object.fromEntries(Object.keys(VIEWS).map((view, i) => [String(i + 1), () => change({ view })])),
    ArrowUp: () => change({ seed: next(-1) }), ArrowDown: () => change({ seed: next(1) }),
    ...Object.fromEntries(Object.entries(keys).map(([key, action]) => [key, () => isPoking() && action()])),
    s: () => (isPoking() ? keys.s() : compare()),
    r: () => desk.settings.roll(), "/": () => desk.words.focus(),
  };
}

/** Have the typefaces ready before anything is measured. */
async function typefaces({ fonts, stored: told }) {
  await Promise.all(fonts.map(async ({ family, weight }, i) => {
    const face = new FontFace(family, await stored(`font/${i}`, told[`font/${i}`]), { weight });
    document.fonts.add(await face.load());
  }));
}
