/** The noise lab: drag t, and x_t is computed here, pixel by pixel, from x₀ and ε. What a model made of it are pictures. */

import { arrayOf } from "../../media/page/bytes.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { corrupt, levelOf, thinned } from "./noising.js";
import { decibels, threeFigures } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { blit, makePictures } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeTimeline } from "../../media/page/timeline.js";

const COMPUTED = [["x_t", "Noisy xₜ"], ["x0", "Picture x₀"], ["eps", "Noise ε"]];
const THUMBS = 16;
const THUMB_SIDE = 96; // pixels that a small picture of the strip is computed at
const CURVE = 101; // points of a curve
const STEP = 10; // of t, by an arrow key
const MOST_ERROR = 1.5; // at the plot's upper edge

export function lab(data, blobs) {
  const { last, schedules } = data;
  const process = makeProcess(data, blobs.arrays);
  const clamp = (t) => Math.min(last, Math.max(0, Math.round(t)));
  const model = makeModel(data.model, blobs.pictures, () => store.change({ decoded: store.state.decoded + 1 }));
  const views = [...COMPUTED, ...(model ? [["model", data.model.tab]] : [])];

  const stage = makeStage();
  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change({ view }),
    choices: views.map(([value, text], i) => ({ value, text, key: String(i + 1) })),
  });
  const turns = schedules.length > 1 ? " · s schedule" : "";
  const shell = makeShell({
    data, stage, tabs: tabs.node, keys: `← → t by 10, with shift by 1 · space play · 1–${views.length} view${turns}`,
  });
  const side = makeSide(data, shell.side, (schedule) => store.change({ schedule }));
  const said = (t) => {
    const { alphaBar, sigma, snr } = process.level(store.state.schedule, t);
    return `t ${t} · ᾱ ${threeFigures(alphaBar)} · σ ${sigma === null ? "∞" : threeFigures(sigma)} · ${decibels(snr, "−∞ dB")}`;
  };
  const plot = makePlot({ onScrub: (share) => timeline.scrub(share * last), hint: (share) => said(clamp(share * last)) });
  side.plotPlace.append(plot.node);
  let towards = 1;
  const timeline = makeTimeline({
    foot: shell.foot, label: "t", count: last + 1, said, onScrub: (t) => store.change({ t }),
    strip: {
      count: THUMBS, ratio: data.size[0] / data.size[1], smooth: () => true,
      at: (t) => Math.round((t / last) * (THUMBS - 1)), valueAt: (_, along) => clamp(along * last),
      picture: (index) => {
        const t = clamp((index / (THUMBS - 1)) * last);
        return store.state.view === "model" ? model.small(t) : process.small(store.state.schedule, t);
      },
    },
    advance: () => {
      if (store.state.t >= last) towards = -1;
      if (store.state.t <= 0) towards = 1;
      const t = clamp(store.state.t + 3 * towards);
      store.change({ t });
      return t === 0 || t === last ? 900 : 16;
    },
  });

  let [panels, drawn] = [[], {}];
  const store = makeStore({ t: data.start, view: data.view, schedule: 0, decoded: 0 }, (state) => {
    const changed = (...names) => names.some((name) => state[name] !== drawn[name]);
    const ofModel = state.view === "model";
    if (changed("view")) {
      tabs.set(state.view);
      panels = stage.show({ captions: ofModel ? data.model.panels : [""], proportion: data.size[0] / data.size[1] });
      shell.fit();
    }
    if (changed("schedule", "view")) {
      side.choose(state.schedule);
      if (ofModel && model.errors) drawErrors(plot, data, process, model);
      else drawPlot(plot, data, process, state.schedule);
    }
    if (changed("schedule")) mark();
    if (changed("schedule", "view") || (ofModel && changed("decoded"))) timeline.redraw();
    if (ofModel) model.draw(panels, state.t);
    else {
      process.draw(panels[0].canvas, state);
      panels[0].canvas.setAttribute("aria-label", `${state.view} at t ${state.t}`);
    }
    side.tell(state.t, process.level(state.schedule, state.t), model?.errors?.whole[model.nearest(state.t)]);
    timeline.move(state.t);
    plot.move(ofModel && model.errors ? model.place(state.t) : (state.t / last) * (CURVE - 1));
    drawn = { ...state };
  });

  const mark = () => {
    const even = process.even(store.state.schedule);
    timeline.mark([{ index: even, role: "amber", text: "as much noise as picture", onclick: () => timeline.scrub(even) }],
      [{ index: even, role: "amber" }]);
  };
  const turn = (step) => () => store.change({ schedule: (store.state.schedule + step + schedules.length) % schedules.length });
  listen({
    ...timeline.keys(STEP, 100, 1), s: turn(1), ArrowDown: turn(1), ArrowUp: turn(-1),
    ...Object.fromEntries(views.map(([view], i) => [String(i + 1), () => store.change({ view })])),
  });
  store.change();
  return Promise.all([document.fonts.ready, model?.ready]);
}

/**
 * What a model made of the noisy picture, at the run's own frames: {draw(panels, t), small(t), nearest(t), place(t), errors,
 * ready}, or null. place(t): the frame at t, a fraction between two. small(t): of the last panel, the guess where there is one.
 */
function makeModel(wanted, coded, told) {
  if (!wanted) return null;
  const { names, frames, timesteps, errors } = wanted;
  const place = (t) => {
    const above = timesteps.findIndex((at) => at >= t);
    if (above <= 0) return above === 0 ? 0 : timesteps.length - 1;
    return above - (timesteps[above] - t) / (timesteps[above] - timesteps[above - 1]);
  };
  const nearest = (t) => Math.round(place(t));
  const pictures = makePictures(coded, [], told);
  const at = (name, t) => pictures.get(`${name}/${frames[nearest(t)]}`);
  const draw = (panels, t) => panels.forEach(({ canvas }, i) => {
    blit(canvas, at(names[i], t));
    canvas.setAttribute("aria-label", `${wanted.panels[i]} at t ${Math.round(timesteps[nearest(t)])}`);
  });
  return { draw, small: (t) => at(names[names.length - 1], t), nearest, place, errors, timesteps, ready: pictures.all };
}

/**
 * The process on the embedded picture and noise: {draw(canvas, {t, view, schedule}), small(schedule, t), level, even}.
 * even(schedule): the first t at which the noise is as strong as the picture, 0 dB.
 */
function makeProcess(data, arrays) {
  const [x0, eps] = [arrayOf(arrays.x0), arrayOf(arrays.eps)];
  const [signals, noises] = [arrayOf(arrays.signals), arrayOf(arrays.noises)];
  const [width, height] = data.size;
  const count = data.last + 1;
  const factors = (schedule, t, view = "x_t") => {
    if (view !== "x_t") return view === "x0" ? [1, 0] : [0, 1];
    return [signals[schedule * count + t], noises[schedule * count + t]];
  };
  const level = (schedule, t) => {
    const [signal, noise] = factors(schedule, t);
    return { signal, noise, ...levelOf(signal, noise, data.schedules[schedule].family) };
  };
  const even = (schedule) => Array.from({ length: count }, (_, t) => t)
    .find((t) => factors(schedule, t)[0] <= factors(schedule, t)[1]);
  const image = new ImageData(width, height);
  const exact = element("canvas", { width, height });
  const draw = (canvas, { t, view, schedule }) => {
    corrupt(image.data, x0, eps, data.eps_unit, ...factors(schedule, t, view));
    exact.getContext("2d").putImageData(image, 0, 0);
    enlarge(canvas, exact);
  };
  const step = Math.max(1, Math.floor(Math.max(width, height) / THUMB_SIDE));
  const few = { x0: thinned(x0, width, height, step), eps: thinned(eps, width, height, step) };
  const thumb = new ImageData(few.x0.width, few.x0.height);
  const small = (schedule, t) => {
    corrupt(thumb.data, few.x0.values, few.eps.values, data.eps_unit, ...factors(schedule, t));
    const canvas = element("canvas", { width: thumb.width, height: thumb.height });
    canvas.getContext("2d").putImageData(thumb, 0, 0);
    return canvas;
  };
  return { draw, small, level, even };
}

/** Draw `exact` in whole pixels, as many as the screen has or more, so that every grain gets the same size. */
function enlarge(canvas, exact) {
  const times = Math.max(1, Math.ceil((canvas.clientWidth * (window.devicePixelRatio || 1)) / exact.width));
  const [width, height] = [exact.width * times, exact.height * times];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.dataset.times = times;
  const ink = canvas.getContext("2d", { alpha: false });
  ink.imageSmoothingEnabled = false;
  ink.drawImage(exact, 0, 0, width, height);
}

/** The side: t, the formula with its present factors, the values, the curve, and the schedules. */
function makeSide(data, node, onSchedule) {
  const readout = makeReadout(["ᾱ", "σ", "SNR", ...(data.model?.errors ? ["guess's error"] : [])]);
  const [signal, noise] = [element("b", { class: "amber" }), element("b", { class: "teal" })];
  const plotPlace = element("div", { class: "plot-place" });
  const schedules = makeTabs({
    label: "schedule", onChoose: onSchedule, choices: data.schedules.map(({ name }, value) => ({ value, text: name })),
  });
  node.append(
    readout.nodes[0],
    element("p", { class: "formula" }, "xₜ = ", signal, " · x₀ + ", noise, " · ε"),
    readout.table, plotPlace, ...(data.schedules.length > 1 ? [element("div", { class: "choose" }, schedules.node)] : []));
  const tell = (t, level, error) => {
    signal.textContent = level.signal.toFixed(3);
    noise.textContent = level.noise.toFixed(3);
    readout.tell(String(t), `of t = ${data.last}`,
      [threeFigures(level.alphaBar), level.sigma === null ? "∞" : threeFigures(level.sigma), decibels(level.snr, "−∞ dB"),
        error === undefined ? "" : threeFigures(error)]);
  };
  return { plotPlace, tell, choose: (schedule) => schedules.set(schedule) };
}

function drawPlot(plot, data, process, schedule) {
  const values = (index) => Array.from({ length: CURVE }, (_, k) =>
    process.level(index, Math.round((k / (CURVE - 1)) * data.last)).alphaBar);
  plot.draw({
    title: "ᾱ, the picture's share of the power · 0 to 1", caption: data.captions.alpha_bar, ends: ["t = 0", `t = ${data.last}`], top: 1,
    behind: data.schedules.map((_, i) => i).filter((i) => i !== schedule).map((i) => ({ values: values(i), role: "quiet" })),
    curves: [{ label: data.schedules[schedule].name, role: "amber", values: values(schedule) }],
  });
}

/** ᾱ, and how wrong the guess is at each of the run's frames. */
function drawErrors(plot, data, process, { errors, timesteps }) {
  const bounded = (values) => values.map((value) => Math.min(value, MOST_ERROR));
  const all = [...errors.layout, ...errors.detail];
  plot.draw({
    title: "ᾱ, and how wrong the guess is: in layout, in detail", caption: data.captions.guess_error,
    ends: ["t = 0", `t = ${data.last}`], top: Math.min(MOST_ERROR, Math.max(1, ...all)), x: timesteps.map((t) => t / data.last),
    curves: [
      { label: "ᾱ", role: "quiet", values: timesteps.map((t) => process.level(0, Math.round(t)).alphaBar) },
      { label: "layout", role: "amber", values: bounded(errors.layout) },
      { label: "detail", role: "teal", values: bounded(errors.detail) },
    ],
  });
}
