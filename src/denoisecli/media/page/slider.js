/** A slider: a real range input, a filled track, and marks under it. */

import { element } from "./dom.js";

const KNOB = 22; // pixels, as in style.css

/**
 * count: values 0 … count − 1. said(index): what a screen reader says. colour: of the filled part, a role.
 * ownKeys: arrows on it move it, whatever the page does with them.
 * Returns {node, input, set, inset}: set(index) moves the knob; inset(pixels) keeps the knob's middle that far off
 * both ends, so that it stands under the middle of the strip's first and last picture.
 */
export function makeSlider({ label, count, said, onInput, ownKeys = false }) {
  const input = element("input", {
    type: "range", min: 0, max: count - 1, step: 1, value: 0, "aria-label": label, "data-page-keys": ownKeys ? null : "",
    oninput: () => onInput(Number(input.value)),
  });
  const marks = element("div", { class: "marks" });
  const node = element("div", { class: "slider" }, input, marks);
  const set = (index) => {
    input.value = String(index);
    input.setAttribute("aria-valuetext", said(index));
    input.style.setProperty("--share", String(index / Math.max(1, count - 1)));
  };
  const inset = (pixels) => node.style.setProperty("--inset", `${Math.max(0, pixels - KNOB / 2)}px`);
  return { node, input, marks, set, inset };
}

/**
 * Put marks under a slider: [{index, role, text, onclick}], a word each beside its tick; ticks: [{index, role}].
 * The first word stands left of its tick where there is room, so that two neighbours do not meet.
 */
export function setMarks(slider, count, given, ticks = []) {
  const marks = [...given].sort((a, b) => a.index - b.index); // words are placed from left to right
  const share = (index) => index / Math.max(1, count - 1);
  const place = (node, index) => {
    node.style.setProperty("--share", String(share(index)));
    return node;
  };
  slider.marks.replaceChildren(
    ...ticks.map(({ index, role }) => place(element("i", { class: `tick ${role}` }), index)),
    ...marks.map(({ index, role, text, onclick }) =>
      place(element("button", { type: "button", class: `mark ${role}`, text, onclick }), index)),
  );
  const words = [...slider.marks.querySelectorAll(".mark")];
  const room = slider.marks.clientWidth;
  const boxes = words.map((word, i) => ({ at: share(marks[i].index) * room, width: word.offsetWidth }));
  wordPlaces(boxes, room).forEach((left, i) => {
    words[i].hidden = left === null;
    if (left !== null) words[i].style.setProperty("left", `${left}px`);
  });
}

/** Return where words {at, width} begin in `room` so that none meets the next; null where one finds no place. */
export function wordPlaces(boxes, room, gap = 8) {
  let taken = -gap;
  const lefts = boxes.map(({ at, width }, i) => {
    const toLeft = i === 0 && boxes.length > 1 ? at >= width : at + width > room;
    const left = Math.min(Math.max(toLeft ? at - width : at, taken + gap), room - width);
    taken = left + width;
    return left;
  });
  for (let i = lefts.length - 2; i >= 0; i--) lefts[i] = Math.min(lefts[i], lefts[i + 1] - gap - boxes[i].width);
  return lefts.map((left) => (left < 0 ? null : left));
}

/** Name the slider's values under it: [{text, colour, title}], each in the middle under its place, those that fit. */
export function setStops(slider, stops, onclick) {
  const words = stops.map(({ text, colour, title }, index) =>
    element("button", { type: "button", class: "mark stop", text, title, colour, tabindex: -1, onclick: () => onclick(index) }));
  slider.marks.replaceChildren(...words);
  const room = slider.marks.clientWidth;
  const boxes = words.map((word, index) => {
    const [width, at] = [word.offsetWidth, (index / Math.max(1, words.length - 1)) * room];
    return { left: Math.min(Math.max(at - width / 2, -KNOB / 2), room + KNOB / 2 - width), width };
  });
  const last = boxes[boxes.length - 1];
  let taken = -KNOB;
  boxes.forEach((box, index) => {
    const fits = box.left >= taken && (index === boxes.length - 1 || box.left + box.width <= last.left);
    words[index].hidden = !fits;
    if (fits) taken = box.left + box.width;
    words[index].style.setProperty("left", `${box.left}px`);
  });
  return words;
}
