/** The noise lab: drag t, and x_t is computed here, pixel by pixel, from x₀ and ε. */

import { arrayOf } from "../../media/page/bytes.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { corrupt, levelOf, thinned } from "./noising.js";
import { decibels, threeFigures } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeTimeline } from "../../media/page/timeline.js";

const VIEWS = [["x_t", "Noisy xₜ"], ["x0", "Picture x₀"], ["eps", "Noise ε"]];
const THUMBS = 16;
const THUMB_SIDE = 96; // pixels that a small picture of the strip is computed at
const CURVE = 101; // points of a curve
const STEP = 10; // of t, by an arrow key

export function lab(data, blobs) {
  const { last, schedules } = data;
  const process = makeProcess(data, blobs.arrays);
  const clamp = (t) => Math.min(last, Math.max(0, Math.round(t)));

  const stage = makeStage();
  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change({ view }),
    choices: VIEWS.map(([value, text], i) => ({ value, text, key: String(i + 1) })),
  });
  const shell = makeShell({
    data, stage, tabs: tabs.node, keys: "← → t by 10, with shift by 1 · space play · 1–3 view · s schedule",
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
      picture: (index) => process.small(store.state.schedule, clamp((index / (THUMBS - 1)) * last)),
    },
    advance: () => {
      if (store.state.t >= last) towards = -1;
      if (store.state.t <= 0) towards = 1;
      const t = clamp(store.state.t + 3 * towards);
      store.change({ t });
      return t === 0 || t === last ? 900 : 16;
    },
  });

  const [{ canvas }] = stage.show({ captions: [""], proportion: data.size[0] / data.size[1] });
  let drawn = {};
  const store = makeStore({ t: data.start, view: "x_t", schedule: 0 }, (state) => {
    if (state.schedule !== drawn.schedule) {
      side.choose(state.schedule);
      drawPlot(plot, data, process, state.schedule);
      timeline.redraw();
      mark();
    }
    if (state.view !== drawn.view) tabs.set(state.view);
    const level = process.draw(canvas, state);
    canvas.setAttribute("aria-label", `${state.view} at t ${state.t}`);
    side.tell(state.t, level);
    timeline.move(state.t);
    plot.move((state.t / last) * (CURVE - 1));
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
    ...Object.fromEntries(VIEWS.map(([view], i) => [String(i + 1), () => store.change({ view })])),
  });
  store.change();
  shell.fit();
  return document.fonts.ready;
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
  const level = (schedule, t) => levelOf(...factors(schedule, t), data.schedules[schedule].family);
  const even = (schedule) => Array.from({ length: count }, (_, t) => t)
    .find((t) => factors(schedule, t)[0] <= factors(schedule, t)[1]);
  const image = new ImageData(width, height);
  const exact = element("canvas", { width, height });
  const draw = (canvas, { t, view, schedule }) => {
    corrupt(image.data, x0, eps, data.eps_unit, ...factors(schedule, t, view));
    exact.getContext("2d").putImageData(image, 0, 0);
    enlarge(canvas, exact);
    const [signal, noise] = factors(schedule, t);
    return { signal, noise, ...level(schedule, t) };
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
  const readout = makeReadout(["ᾱ", "σ", "SNR"]);
  const [signal, noise] = [element("b", { class: "amber" }), element("b", { class: "teal" })];
  const plotPlace = element("div", { class: "plot-place" });
  const schedules = makeTabs({
    label: "schedule", onChoose: onSchedule, choices: data.schedules.map(({ name }, value) => ({ value, text: name })),
  });
  node.append(
    readout.nodes[0],
    element("p", { class: "formula" }, "xₜ = ", signal, " · x₀ + ", noise, " · ε"),
    readout.table, plotPlace, element("div", { class: "choose" }, schedules.node));
  const tell = (t, level) => {
    signal.textContent = level.signal.toFixed(3);
    noise.textContent = level.noise.toFixed(3);
    readout.tell(String(t), `of t = ${data.last}`,
      [threeFigures(level.alphaBar), level.sigma === null ? "∞" : threeFigures(level.sigma), decibels(level.snr, "−∞ dB")]);
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
