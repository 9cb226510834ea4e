/** Words: tap one and see where it is, drag the state and see when; point at a place and see which words are there. */

import { captionOf } from "../../media/page/captions.js";
import { listen } from "../../media/page/keys.js";
import { range, threeFigures, timestep } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { blit, makePictures } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeTimeline } from "../../media/page/timeline.js";
import { makeTitle } from "../../media/page/title.js";
import { makeMaps } from "./maps.js";
import { makeSentence } from "./sentence.js";
import { makeSide } from "./side.js";
import { makeSpot } from "./spot.js";

const VIEWS = {
  one: ["One seed", "the guess, and the chosen words on it"],
  words: ["All words", "every word on the guess of one seed"],
  seeds: ["All seeds", "the chosen words on every seed's guess"],
};

export function lab(data, blobs) {
  const { seeds, words, states, last } = data;
  const views = Object.keys(VIEWS).filter((view) => (view === "words" ? words.length : view === "seeds" ? seeds.length : 2) > 1);
  const first = seeds.map((_, seed) => `guess/${seed}/${states[data.start].index}`);
  const pictures = makePictures(blobs.pictures, first, () => store.change({ decoded: store.state.decoded + 1 }));
  const maps = makeMaps(data.maps, blobs.arrays.maps, words, data.edge);
  const guess = (seed, state) => pictures.get(`guess/${seed}/${states[state].index}`);
  const said = (k) => `state ${states[k].index} of ${last} · t ${timestep(states[k].timestep)} · σ ${threeFigures(states[k].sigma)}`;
  /** Of two words the older one gives way. */
  const choose = (word) => {
    const { chosen, two } = store.state;
    if (!two) return store.change({ chosen: [word], over: null });
    const rest = chosen.filter((other) => other !== word);
    store.change({ chosen: [...rest.slice(-1), word], over: null });
  };
  const showTwo = (two) => {
    const { chosen } = store.state;
    store.change({ two, chosen: two ? pairOf(chosen, data) : chosen.slice(-1) });
  };
  const shown = ({ chosen, over }) => (over === null ? chosen : [over]);

  const stage = makeStage();
  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change({ view }),
    choices: views.map((value, i) => ({ value, text: VIEWS[value][0], key: String(i + 1), title: VIEWS[value][1] })),
  });
  const sentence = makeSentence(data, { choose, over: (word) => store.change({ over: word }) });
  const shell = makeShell({
    data, stage, tabs: views.length > 1 ? tabs.node : null, keys: keysLine(seeds, words, views),
    title: makeTitle({ ...data, heading: sentence.heading, below: sentence.below }),
  });
  const spot = makeSpot((at) => store.change({ at }), data.maps.shape.slice(-2));
  const plot = makePlot({
    onScrub: (share) => timeline.scrub(share * (states.length - 1)), hint: (share) => said(Math.round(share * (states.length - 1))),
  });
  const side = makeSide(data, shell.side, maps, plot, makeReadout(["t", "σ", "attention", "found"]), {
    seed: (seed) => store.change({ seed }), two: (two) => showTwo(two),
  });
  const timeline = makeTimeline({
    foot: shell.foot, label: "state", count: states.length, said, onScrub: (state) => store.change({ state }),
    strip: {
      ratio: data.ratio, smooth: () => true,
      picture: (index) => maps.tinted(guess(store.state.seed, index), store.state.seed, index, store.state.chosen),
    },
    advance: () => {
      const state = (store.state.state + 1) % states.length;
      store.change({ state });
      return state === states.length - 1 ? 1800 : Math.max(120, 6000 / states.length);
    },
  });

  let [panels, drawn] = [[], {}];
  const start = { state: data.start, seed: 0, view: "one", chosen: words.length ? [data.first] : [], two: false, over: null, at: null, decoded: 0 };
  const store = makeStore(start, (state) => {
    const changed = (...names) => names.some((name) => state[name] !== drawn[name]);
    if (changed("view")) {
      panels = stage.show({ captions: captionsOf(state.view, data), proportion: data.ratio, onChoose: (index) => onPanel(state.view, index) });
      panels.forEach((panel, index) => spot.follow(panel, state.view === "seeds" ? index : null));
      tabs.set(state.view);
      shell.fit();
    }
    draw(state);
    if (changed("seed", "decoded", "chosen")) timeline.redraw();
    if (changed("chosen", "over")) mark(state);
    spot.draw(panels, state.at);
    const seed = state.at?.seed ?? state.seed;
    sentence.tell(shown(state), maps.loudness(seed, state.state));
    side.tell(state, shown(state), seed);
    timeline.move(state.state);
    drawn = { ...state };
  });
  const draw = (state) => {
    const { view, seed, state: k } = state;
    if (view === "words") return words.forEach((_, word) => maps.tint(panels[word].canvas, guess(seed, k), seed, k, [word]));
    if (view === "seeds") return seeds.forEach((_, row) => maps.tint(panels[row].canvas, guess(row, k), row, k, shown(state)));
    blit(panels[0].canvas, guess(seed, k));
    panels[0].tell(captionOf("guess", data.drawn?.[seed][k]));
    maps.tint(panels[1].canvas, guess(seed, k), seed, k, shown(state));
    panels[1].tell(shown(state).map((word) => words[word].label).join(" · ") || "no word");
  };
  const onPanel = (view, index) => {
    if (view === "words") store.change({ chosen: [index], two: false, view: "one" });
    if (view === "seeds") store.change({ seed: index, view: "one" });
  };
  const turns = data.turns.map(({ index, text }) => ({ index, role: "quiet", text, onclick: () => timeline.scrub(index) }));
  /** Under the slider: where the run begins or changes, and where the shown words found their places, a tick for each seed. */
  const mark = (state) => {
    const places = (row) => row.found_at.filter((at) => at !== null).map((at) => states.findIndex(({ index }) => index >= at));
    const rows = shown(state).map((word) => words[word]).filter((row) => places(row).length);
    timeline.mark([...turns, ...rows.map((row) => ({
      index: Math.max(...places(row)), role: `hue-${row.hue}`, text: `${row.label} found ${range(places(row).map((k) => states[k].index))}`,
      onclick: () => timeline.scrub(Math.max(...places(row))),
    }))], rows.flatMap((row) => places(row).map((index) => ({ index, role: `hue-${row.hue}` }))));
  };

  const step = (by) => choose((store.state.chosen[store.state.chosen.length - 1] + words.length + by) % words.length);
  listen({
    ...timeline.keys(), ...spot.keys,
    ArrowUp: () => step(-1), ArrowDown: () => step(1),
    t: () => words.length > 1 && showTwo(!store.state.two), n: () => store.change({ seed: (store.state.seed + 1) % seeds.length }),
    ...Object.fromEntries(views.map((view, i) => [String(i + 1), () => store.change({ view })])),
  });
  store.change();
  return pictures.all;
}

function captionsOf(view, { words, seeds }) {
  if (view === "seeds") return seeds.map((seed) => `seed ${seed}`);
  if (view === "words") return words.map(({ label, hue }) => ({ text: label, colour: `var(--hue-${hue})` }));
  return ["guess", "words"];
}

/** The word at hand, and beside it the one that shares its place most, else the next. */
function pairOf(chosen, { words, pairs }) {
  const one = chosen[chosen.length - 1];
  const [pair] = pairs.filter((row) => row.words.includes(one)).sort((a, b) => b.overlap.at(-1) - a.overlap.at(-1));
  const other = pair ? pair.words.find((word) => word !== one) : (one + 1) % words.length;
  return other === one ? [one] : [other, one];
}

function keysLine(seeds, words, views) {
  const parts = ["← → state", "space play", "↑ ↓ word"];
  if (words.length > 1) parts.push("t two words");
  if (views.length > 1) parts.push(`1–${views.length} view`);
  if (seeds.length > 1) parts.push("n seed");
  return [...parts, "w a s d place"].join(" · ");
}
