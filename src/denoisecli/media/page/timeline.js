/** The foot of a page: play, the strip of small pictures, and under it the slider with its marks. */

import { element } from "./dom.js";
import { makePlayer } from "./play.js";
import { makeSlider, setMarks } from "./slider.js";
import { makeStrip } from "./strip.js";

/**
 * label, count, said: of the slider. onScrub(value, row): something was dragged; a slider knows no row. advance: of the
 * player. strip: what makeStrip takes, and where its pictures are not the slider's values, at(value) → its index and
 * valueAt(index, along) → the value.
 * Returns {move, redraw, mark, scrub, player, keys, pitch}: move(value, row); redraw() draws the strip anew;
 * mark(marks, ticks); keys(step, leap): the bindings of `listen`.
 */
export function makeTimeline({ foot, label, count, said, onScrub, advance, strip }) {
  const { at = (value) => value, valueAt = (index) => index, ...rest } = strip;
  let [now, row, marked] = [0, 0, [[], []]];
  const play = element("button", { type: "button", class: "play", "aria-label": "play", onclick: () => player.toggle() });
  const player = makePlayer(advance, (playing) => {
    play.classList.toggle("playing", playing);
    play.setAttribute("aria-label", playing ? "pause" : "play");
  });
  const scrub = (value, inRow) => {
    player.stop();
    now = Math.min(count - 1, Math.max(0, Math.round(value))); // two keys may come before the next frame
    onScrub(now, inRow);
  };
  const thumbs = makeStrip({
    count, ...rest,
    onScrub: (index, along, inRow) => scrub(valueAt(index, along), inRow),
    hint: (index, along, inRow) => said(valueAt(index, along), inRow),
  });
  const slider = makeSlider({ label, count, said, onInput: (value) => scrub(value) });
  foot.append(play, thumbs.node, slider.node);

  const show = () => thumbs.move(at(now), row);
  const place = () => {
    thumbs.draw();
    show();
    slider.inset(thumbs.pitch() / 2);
    setMarks(slider, count, ...marked);
  };
  new ResizeObserver(place).observe(thumbs.node);
  window.addEventListener("resize", place);
  document.fonts.ready.then(place);

  const move = (value, inRow = 0) => {
    [now, row] = [value, inRow];
    slider.set(value);
    show();
  };
  const mark = (marks, ticks) => {
    marked = [marks, ticks];
    setMarks(slider, count, ...marked);
  };
  const by = (step, fine = step) => (event) => scrub(now + (event.shiftKey ? fine : step));
  const keys = (step = 1, leap = 5, fine = step) => ({
    ArrowLeft: by(-step, -fine), ArrowRight: by(step, fine), PageUp: by(-leap), PageDown: by(leap),
    Home: () => scrub(0), End: () => scrub(count - 1), " ": () => player.toggle(),
  });
  return { move, redraw: () => thumbs.draw(), mark, scrub, player, keys, pitch: thumbs.pitch };
}

/**
 * Several timelines in one foot, of which one is seen: makeTimeline with show(on) beside what it returns.
 * @param {any} options
 */
export function makeLine({ foot, ...wanted }) {
  const line = element("div", { class: "line" });
  foot.append(line);
  return { ...makeTimeline({ foot: line, ...wanted }), show: (on) => (line.hidden = !on) };
}
