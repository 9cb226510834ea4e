/** What is on the screen: the runs that the page's state asks for, at the state that is looked at. */

import { captionOf } from "../../media/page/captions.js";
import { seen } from "../../media/page/compare.js";
import { threeFigures, timestep } from "../../media/page/numbers.js";
import { blit } from "../../media/page/pictures.js";
import { makeTimeline } from "../../media/page/timeline.js";
import { EXPERIMENTS, panelsOf, wishesOf } from "./experiments.js";
import { following, newestOf } from "./following.js";

const RERUN = ["words", "negative", "seeds", "cfg", "steps", "sampler", "experiment", "share", "otherWords", "at", "strokes", "lora", "strength"];

/**
 * model, pictures, saving, desk: of makeModel, makePictures, makeSaving and makeDesk. get() → the page's state;
 * change(patch); failed(error). Returns {render, panels, said, scrub, keys}: render(state) draws a state, and may move it
 * on; panels() → those that are seen; said(part), scrub(part): of a share of the run, 0..1; keys: the timeline's.
 */
export function makeScreen({ data, model, pictures, saving, desk, get, change, failed }) {
  const { side, sliders } = data;
  let [panels, timeline] = [[], null];
  let drawn = {}; // the page's state as it was drawn last
  const visible = () => panels.filter((panel) => panel.visible);
  const levelOf = (k) => panels[0]?.lane.sampler.levels[k];
  const said = (k) => {
    const level = levelOf(k);
    return level ? `state ${k} of ${get().steps} · t ${timestep(level.timestep)} · σ ${threeFigures(level.sigma)} · ᾱ ${threeFigures(level.alpha_bar)}` : `state ${k}`;
  };
  const stripPanel = ({ experiment, seed }) => panels[experiment === "deck" ? Math.min(seed, panels.length - 1) : EXPERIMENTS[experiment].strip ?? 0];

  const rerun = (state) => {
    state.at = Math.min(state.at, state.steps - 1);
    state.follow ||= state.state >= (drawn.steps ?? 0);
    if (state.steps !== drawn.steps) {
      timeline?.player.stop();
      timeline = makeStates({ foot: desk.shell.foot, count: state.steps + 1, said, picture, isSmooth: () => get().view !== "latent", get, change, isDone: () => panels[0]?.lane.done });
      state.state = Math.min(state.state, state.steps);
    }
    document.body.removeAttribute("data-done");
    panels = panelsOf(state, model.lanes.sample(wishesOf(state, side, sliders)), side, sliders);
    state.seed = Math.min(state.seed, state.seeds.length - 1);
    desk.set(state);
    saving.tell(state);
  };
  const picture = (k) => {
    const panel = stripPanel(get());
    return panel && k < panel.lane.states.length ? pictures.get(panel, get().view, k) : null;
  };
  const layPanels = (state) => {
    const [deck, many, last] = [state.experiment === "deck", panels.length > 1, panels.length - 1];
    const mode = !deck ? "all" : many ? state.mode : "one";
    const shown = deck ? seen({ now: Math.min(state.seed, last), other: Math.min(state.other, last), mode }, panels.length) : panels.map((_, i) => i);
    panels.forEach((panel, i) => (panel.visible = shown.includes(i)));
    const laid = desk.stage.show({
      captions: shown.map((i) => panels[i].caption), proportion: 1, split: mode === "split", label: "seam between the two seeds",
      onChoose: deck ? (index) => desk.compare.choose(shown[index]) : null,
    });
    shown.forEach((i, place) => (panels[i].panel = laid[place]));
    desk.compare.node.hidden = !deck || !many;
    desk.compare.set({ now: state.seed, other: state.other, mode });
    desk.shell.fit();
  };
  const drawPanel = (shown, { view, state }) => {
    const { panel, heat, caption } = shown;
    const [found, factor] = [pictures.get(shown, view, state), pictures.factorOf(shown, view, state)];
    panel.tell(captionOf(caption, factor < 1 && `drawn ×${twoFigures(factor)}`));
    panel.blank(found ? null : model.engine.isReady() ? "" : "loading the model …");
    panel.canvas.classList.toggle("cells", Boolean(heat) || view === "latent");
    blit(panel.canvas, found);
  };
  const drawCurves = (state) => {
    const fixed = desk.plot.draw(stripPanel(state).lane, state.steps + 1);
    timeline.mark(fixed.map(({ name, role, index }) => ({ index, role, text: `${name} fixed ${index}`, onclick: () => timeline.scrub(index) })), fixed);
  };
  const want = (state) => pictures.want({
    panels: visible(), strip: stripPanel(state), view: state.view, k: state.state, newest: state.follow ? newestOf(panels) : null, count: state.steps + 1,
  }).catch(failed);

  const render = (state) => {
    const changed = (...names) => names.some((name) => state[name] !== drawn[name]);
    const again = changed(...RERUN) || (state.experiment === "guidance" && changed("seed"));
    if (again) rerun(state);
    const isDrawn = (k) => pictures.isDrawn(visible(), state.view, k);
    if (state.follow) state.state = following({ newest: newestOf(panels), before: again ? 0 : state.state, isDrawn });
    const isWhole = panels.every(({ lane }) => lane.done);
    if (isWhole && state.state === state.steps) state.follow = false;
    if (again || changed("mode", "seed", "other")) layPanels(state);
    visible().forEach((panel) => drawPanel(panel, state));
    desk.own.tell(state, panels);
    if (again || changed("view", "made", "seed")) {
      desk.views.set(state.view);
      drawCurves(state);
    }
    if (again || changed("view", "made", "seed", "decoded")) timeline.redraw();
    desk.tellLevel(state, levelOf(state.state));
    timeline.move(state.state);
    desk.plot.move(state.state);
    if (again || changed("made", "view", "state", "seed", "mode")) want(state);
    document.body.toggleAttribute("data-done", isWhole && !state.follow && isDrawn(state.state));
    drawn = { ...state };
  };
  const at = (part) => part * get().steps;
  return { render, panels: visible, said: (part) => said(Math.round(at(part))), scrub: (part) => timeline.scrub(at(part)), keys: () => timeline.keys() };
}

/** The timeline of a run's states. picture(k) → a canvas or null; isDone(): the run is at its end. */
function makeStates({ foot, count, said, picture, isSmooth, get, change, isDone }) {
  foot.replaceChildren();
  return makeTimeline({
    foot, label: "state", count, said, strip: { ratio: 1, smooth: isSmooth, picture },
    onScrub: (state) => change({ state, follow: state === count - 1 && !isDone() }),
    advance: () => {
      const state = (get().state + 1) % count;
      change({ state, follow: false });
      return state === count - 1 ? 1600 : Math.max(80, Math.min(400, 6000 / count));
    },
  });
}

/** A factor as Python's "%.2g" has it, from 0.0001 on. */
function twoFigures(factor) {
  return String(Number(factor.toPrecision(2)));
}
