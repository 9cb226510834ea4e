/** What a reader may change: words, seeds, scale, steps, sampler. Each change is told at once. */

import { element } from "../../media/page/dom.js";
import { makeSlider } from "../../media/page/slider.js";
import { SAMPLERS } from "./samplers.js";

export const MOST_SEEDS = 4;
const SCALE = { most: 30, fine: 0.5 };

/**
 * The prompt, as large as a title, and under it the grammar as menus. grammar: {name: [words]}; caption(words): the prompt
 * they make; tokens: of makeTokenizer. Returns {node, set(words), tell()}.
 */
export function makeWords({ grammar, tokens, extra, onWords }) {
  const field = element("textarea", {
    class: "words", rows: 1, maxlength: 2000, spellcheck: "false", "aria-label": "prompt", oninput: () => changed(field.value),
  });
  const menus = Object.entries(grammar).map(([name, words]) => element("select", { "aria-label": name, onchange: () => pick() },
    element("option", { value: "", text: `${name} …`, hidden: "" }), ...words.map((text) => element("option", { value: text, text }))));
  const told = element("p", { class: "unknown", "aria-live": "polite" });
  const node = element("div", { class: "title asking" }, element("h1", { class: "unseen", text: "Live deck" }), field, element("div", { class: "menus", role: "group", "aria-label": "words that the model learnt" }, ...menus), told);
  const pick = () => {
    menus.forEach((menu) => (menu.value ||= menu.options[1].value));
    set(captionOf(menus.map((menu) => menu.value)));
    onWords(field.value);
  };
  const changed = (words) => {
    show(words);
    onWords(words);
  };
  const show = (words) => {
    field.style.setProperty("height", "auto");
    field.style.setProperty("height", `${field.scrollHeight}px`);
    const found = picked(words, grammar);
    menus.forEach((menu, i) => (menu.value = found[i]));
    const [unknown, cut] = [tokens.unknown(words).filter((word) => /[\p{L}\p{N}]/u.test(word) && !extra.includes(word)), tokens.cut(words)];
    const shown = unknown.slice(0, 6).join(", ") + (unknown.length > 6 ? ` and ${unknown.length - 6} more` : "");
    told.textContent = [unknown.length ? `Words it never learnt: ${shown}.` : "", cut ? "The end of the prompt finds no room." : ""].join(" ").trim();
  };
  const set = (words) => {
    if (field.value !== words) field.value = words;
    show(words);
  };
  new ResizeObserver(() => show(field.value)).observe(node);
  return { node, set, focus: () => field.focus() };
}

/** The prompt that picked words make. @param {string[]} words */
export function captionOf([landmark, terrain, time, sky, foreground, style]) {
  return `a ${landmark} on a ${terrain} at ${time}, ${sky}, ${foreground}, ${style}`;
}

/** Of each menu the word that the prompt holds, or "". */
export function picked(prompt, grammar) {
  const text = prompt.toLowerCase();
  return Object.values(grammar).map((words) => words.find((word) => text.includes(word)) ?? "");
}

/** Seeds as text: up to four whole numbers of any size; null where there is something else. */
export function seedsIn(text) {
  const found = text.trim().split(/[\s,;]+/).filter(Boolean);
  const fine = found.length >= 1 && found.length <= MOST_SEEDS && found.every((word) => /^\d{1,19}$/.test(word));
  return fine ? [...new Set(found.map((word) => BigInt(word).toString()))] : null;
}

/** Scale, steps, sampler and seeds. onChange(patch). Returns {node, set(state), roll}. */
export function makeSettings({ onChange }) {
  const scale = makeSlider({
    label: "guidance scale", count: SCALE.most / SCALE.fine + 1, said: (index) => `cfg ${index * SCALE.fine}`, ownKeys: true,
    onInput: (index) => onChange({ cfg: index * SCALE.fine }),
  });
  const number = (label, attributes, take) => {
    const input = element("input", { type: "number", "aria-label": label, ...attributes, oninput: () => {
      const value = Number(input.value);
      const fine = input.value !== "" && value >= Number(attributes.min) && value <= Number(attributes.max);
      input.setAttribute("aria-invalid", String(!fine));
      if (fine) take(value);
    } });
    return input;
  };
  const cfg = number("guidance scale as a number", { min: 0, max: SCALE.most, step: SCALE.fine }, (value) => onChange({ cfg: value }));
  const steps = number("steps", { min: 1, max: 100, step: 1 }, (value) => onChange({ steps: Math.round(value) }));
  const sampler = element("select", { "aria-label": "sampler", onchange: () => onChange({ sampler: sampler.value }) },
    ...Object.entries(SAMPLERS).map(([value, text]) => element("option", { value, text })));
  const seeds = element("input", { type: "text", inputmode: "numeric", "aria-label": "seeds, up to four", maxlength: 90, oninput: () => {
    const found = seedsIn(seeds.value);
    seeds.setAttribute("aria-invalid", String(!found));
    if (found) onChange({ seeds: found });
  } });
  const roll = () => onChange({ seeds: Array.from(crypto.getRandomValues(new Uint32Array(seedsIn(seeds.value)?.length ?? 1)), (value) => String(value % 10000)) });
  const dice = element("button", { type: "button", class: "dice", "aria-keyshortcuts": "r", title: "other seeds", onclick: roll }, element("span", { text: "Roll" }), element("kbd", { text: "r", "aria-hidden": "true" }));
  const row = (name, ...nodes) => element("div", { class: "setting" }, element("span", { class: "name", text: name }), ...nodes);
  const node = element("div", { class: "settings", role: "group", "aria-label": "settings" },
    row("cfg", scale.node, cfg), row("seeds", seeds, dice), row("steps", steps, sampler));
  const write = (input, text) => {
    if (input !== document.activeElement || input.getAttribute("aria-invalid") !== "true") if (input.value !== text) input.value = text;
  };
  const set = (state) => {
    scale.set(Math.round(state.cfg / SCALE.fine));
    write(cfg, String(state.cfg));
    write(steps, String(state.steps));
    if (seedsIn(seeds.value)?.join() !== state.seeds.join()) seeds.value = state.seeds.join(", ");
    sampler.value = state.sampler;
  };
  return { node, set, roll };
}
