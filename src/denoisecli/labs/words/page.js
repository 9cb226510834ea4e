/** Words: tap one and see where it is, drag the state and see when; point at a place and see which words are there. */

import { listen } from "../../media/page/keys.js";
import { threeFigures, timestep } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { makePictures } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeTimeline } from "../../media/page/timeline.js";
import { makeTitle } from "../../media/page/title.js";
import { makeChoice, shown } from "./choice.js";
import { makeMaps } from "./maps.js";
import { makeMarks } from "./marks.js";
import { makeSentence } from "./sentence.js";
import { makeSide } from "./side.js";
import { makeSpot } from "./spot.js";
import { captionsOf, makeDrawing, VIEWS } from "./views.js";

export function lab(data, blobs) {
  const { seeds, words, states, last } = data;
  const views = Object.keys(VIEWS).filter((view) => (view === "words" ? words.length : view === "seeds" ? seeds.length : 2) > 1);
  const first = seeds.map((_, seed) => `guess/${seed}/${states[data.start].index}`);
  const pictures = makePictures(blobs.pictures, first, () => store.change({ decoded: store.state.decoded + 1 }));
  const maps = makeMaps(data.maps, blobs.arrays.maps, words, data.edge);
  const guess = (seed, state) => pictures.get(`guess/${seed}/${states[state].index}`);
  const said = (k) => `state ${states[k].index} of ${last} · t ${timestep(states[k].timestep)} · σ ${threeFigures(states[k].sigma)}`;
  const choice = makeChoice(data, { get: () => store.state, change: (changes) => store.change(changes) });
  const draw = makeDrawing(data, maps, guess);

  const stage = makeStage();
  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change({ view }),
    choices: views.map((value, i) => ({ value, text: VIEWS[value][0], key: String(i + 1), title: VIEWS[value][1] })),
  });
  const sentence = makeSentence(data, { choose: choice.choose, over: (word) => store.change({ over: word }) });
  const shell = makeShell({
    data, stage, tabs: views.length > 1 ? tabs.node : null, keys: keysLine(seeds, words, views),
    title: makeTitle({ ...data, heading: sentence.heading, below: sentence.below }),
  });
  const spot = makeSpot((at) => store.change({ at }), data.maps.shape.slice(-2));
  const plot = makePlot({
    onScrub: (share) => timeline.scrub(share * (states.length - 1)), hint: (share) => said(Math.round(share * (states.length - 1))),
  });
  const side = makeSide(data, shell.side, maps, plot, makeReadout(["t", "σ", "attention", "found"]), {
    seed: (seed) => store.change({ seed }), two: choice.showTwo,
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
    draw(panels, state);
    if (changed("seed", "decoded", "chosen")) timeline.redraw();
    if (changed("chosen", "over")) mark(state);
    spot.draw(panels, state.at);
    const seed = state.at?.seed ?? state.seed;
    sentence.tell(shown(state), maps.loudness(seed, state.state));
    side.tell(state, shown(state), seed);
    timeline.move(state.state);
    drawn = { ...state };
  });
  const onPanel = (view, index) => {
    if (view === "words") store.change({ chosen: [index], two: false, view: "one" });
    if (view === "seeds") store.change({ seed: index, view: "one" });
  };
  const mark = makeMarks(data, timeline);
  listen({
    ...timeline.keys(), ...spot.keys,
    ArrowUp: () => choice.step(-1), ArrowDown: () => choice.step(1),
    t: () => words.length > 1 && choice.showTwo(!store.state.two), n: () => store.change({ seed: (store.state.seed + 1) % seeds.length }),
    ...Object.fromEntries(views.map((view, i) => [String(i + 1), () => store.change({ view })])),
  });
  store.change();
  return pictures.all;
}

function keysLine(seeds, words, views) {
  const parts = ["← → state", "space play", "↑ ↓ word"];
  if (words.length > 1) parts.push("t two words");
  if (views.length > 1) parts.push(`1–${views.length} view`);
  if (seeds.length > 1) parts.push("n seed");
  return [...parts, "w a s d place"].join(" · ");
}
