/** The views of the words' page: what each is called, what stands over its panels, and what is drawn into them. */

import { captionOf } from "../../media/page/captions.js";
import { blit } from "../../media/page/pictures.js";
import { shown } from "./choice.js";

export const VIEWS = {
  one: ["One seed", "the guess, and the chosen words on it"],
  words: ["All words", "every word on the guess of one seed"],
  seeds: ["All seeds", "the chosen words on every seed's guess"],
};

export function captionsOf(view, { words, seeds }) {
  if (view === "seeds") return seeds.map((seed) => `seed ${seed}`);
  if (view === "words") return words.map(({ label, hue }) => ({ text: label, colour: `var(--hue-${hue})` }));
  return ["guess", "words"];
}

/** What draws a state into the panels of its view. guess(seed, state) -> the picture. */
export function makeDrawing({ words, seeds, drawn }, maps, guess) {
  return (panels, state) => {
    const { view, seed, state: k } = state;
    if (view === "words") return words.forEach((_, word) => maps.tint(panels[word].canvas, guess(seed, k), seed, k, [word]));
    if (view === "seeds") return seeds.forEach((_, row) => maps.tint(panels[row].canvas, guess(row, k), row, k, shown(state)));
    blit(panels[0].canvas, guess(seed, k));
    panels[0].tell(captionOf("guess", drawn?.[seed][k]));
    maps.tint(panels[1].canvas, guess(seed, k), seed, k, shown(state));
    panels[1].tell(shown(state).map((word) => words[word].label).join(" · ") || "no word");
  };
}
