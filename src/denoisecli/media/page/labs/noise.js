/** The noise lab: drag t, and x_t is computed here, pixel by pixel, from x₀ and ε. */

import { arrayOf } from "../bytes.js";
import { element } from "../dom.js";
import { listen } from "../keys.js";
import { corrupt, levelOf, thinned } from "../noising.js";
import { decibels, threeFigures } from "../numbers.js";
import { makeStage } from "../panels.js";
import { makePlayer } from "../play.js";
import { makePlot } from "../plot.js";
import { makeShell } from "../shell.js";
import { makeSlider, setMarks } from "../slider.js";
import { makeStore } from "../store.js";
import { makeStrip } from "../strip.js";
import { makeTabs } from "../tabs.js";

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
  const scrub = (t) => {
    player.stop();
    store.change({ t: clamp(t) });
  };
  const said = (t) => {
    const { alphaBar, sigma, snr } = process.level(store.state.schedule, t);
    return `t ${t} · ᾱ ${threeFigures(alphaBar)} · σ ${sigma === null ? "∞" : threeFigures(sigma)} · ${decibels(snr, "−∞ dB")}`;
  };
  const plot = makePlot({ onScrub: (share) => scrub(share * last), hint: (share) => said(clamp(share * last)) });
  side.plotPlace.append(plot.node);
  const tAt = (share) => clamp(((share * THUMBS - 0.5) / (THUMBS - 1)) * last);
  const strip = makeStrip({
    count: THUMBS, ratio: data.size[0] / data.size[1], smooth: () => true,
    picture: (index) => process.small(store.state.schedule, clamp((index / (THUMBS - 1)) * last)),
    onScrub: (_, share) => scrub(tAt(share)), hint: (_, share) => said(tAt(share)),
  });
  const slider = makeSlider({ label: "t", count: last + 1, said, onInput: scrub });
  const play = element("button", { type: "button", class: "play", "aria-label": "play", onclick: () => player.toggle() });
  shell.foot.append(play, strip.node, slider.node);

  const [canvas] = stage.show({ captions: [""], proportion: data.size[0] / data.size[1] });
  let drawn = {};
  const store = makeStore({ t: data.start, view: "x_t", schedule: 0 }, (state) => {
    if (state.schedule !== drawn.schedule) {
      side.choose(state.schedule);
      drawPlot(plot, data, process, state.schedule);
      strip.draw();
      mark();
    }
    if (state.view !== drawn.view) tabs.set(state.view);
    const level = process.draw(canvas, state);
    canvas.setAttribute("aria-label", `${state.view} at t ${state.t}`);
    side.tell(state.t, level);
    slider.set(state.t);
    strip.move(Math.round((state.t / last) * (THUMBS - 1)));
    plot.move((state.t / last) * (CURVE - 1));
    drawn = { ...state };
  });

  let towards = 1;
  const player = makePlayer(
    () => {
      if (store.state.t >= last) towards = -1;
      if (store.state.t <= 0) towards = 1;
      const t = clamp(store.state.t + 3 * towards);
      store.change({ t });
      return t === 0 || t === last ? 900 : 16;
    },
    (playing) => {
      play.classList.toggle("playing", playing);
      play.setAttribute("aria-label", playing ? "pause" : "play");
    });
  const mark = () => {
    const even = process.even(store.state.schedule);
    setMarks(slider, last + 1, [{ index: even, role: "amber", text: "as much noise as picture", onclick: () => scrub(even) }],
      [{ index: even, role: "amber" }]);
  };
  const place = () => {
    strip.draw();
    strip.move(Math.round((store.state.t / last) * (THUMBS - 1)));
    slider.inset(strip.pitch() / 2);
    mark();
  };
  new ResizeObserver(place).observe(strip.node);
  document.fonts.ready.then(place);

  const by = (sign) => (event) => scrub(store.state.t + sign * (event.shiftKey ? 1 : STEP));
  const turn = (step) => () => store.change({ schedule: (store.state.schedule + step + schedules.length) % schedules.length });
  listen({
    ArrowLeft: by(-1), ArrowRight: by(1), PageUp: () => scrub(store.state.t - 100), PageDown: () => scrub(store.state.t + 100),
    Home: () => scrub(0), End: () => scrub(last), " ": () => player.toggle(), s: turn(1), ArrowDown: turn(1), ArrowUp: turn(-1),
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
  const hero = element("b");
  const [signal, noise] = [element("b", { class: "amber" }), element("b", { class: "teal" })];
  const cells = ["ᾱ", "σ", "SNR"].map((name) => ({ name, value: element("dd") }));
  const plotPlace = element("div", { class: "plot-place" });
  const schedules = makeTabs({
    label: "schedule", onChoose: onSchedule, choices: data.schedules.map(({ name }, value) => ({ value, text: name })),
  });
  node.append(
    element("p", { class: "hero" }, hero, element("span", { text: `of t = ${data.last}` })),
    element("p", { class: "formula" }, "xₜ = ", signal, " · x₀ + ", noise, " · ε"),
    element("dl", {}, ...cells.map(({ name, value }) => element("div", {}, element("dt", { text: name }), value))),
    plotPlace, element("div", { class: "choose" }, schedules.node));
  const tell = (t, level) => {
    hero.textContent = String(t);
    signal.textContent = level.signal.toFixed(3);
    noise.textContent = level.noise.toFixed(3);
    const told = [threeFigures(level.alphaBar), level.sigma === null ? "∞" : threeFigures(level.sigma), decibels(level.snr, "−∞ dB")];
    cells.forEach(({ value }, i) => (value.textContent = told[i]));
  };
  return { plotPlace, tell, choose: (schedule) => schedules.set(schedule) };
}

function drawPlot(plot, data, process, schedule) {
  const values = (index) => Array.from({ length: CURVE }, (_, k) =>
    process.level(index, Math.round((k / (CURVE - 1)) * data.last)).alphaBar);
  plot.draw({
    title: "ᾱ, the picture's share of the power", ends: ["t = 0", `t = ${data.last}`], top: 1,
    behind: data.schedules.map((_, i) => i).filter((i) => i !== schedule).map((i) => ({ values: values(i), role: "quiet" })),
    curves: [{ label: data.schedules[schedule].name, role: "amber", values: values(schedule) }],
  });
}
