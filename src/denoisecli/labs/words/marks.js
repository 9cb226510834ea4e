/** Under the slider: where the run begins or changes, and where the shown words found their places. */

import { range } from "../../media/page/numbers.js";
import { shown } from "./choice.js";

/** What marks a state's words, a tick for each seed. */
export function makeMarks({ words, states, turns }, timeline) {
  const places = (row) => row.found_at.filter((at) => at !== null).map((at) => states.findIndex(({ index }) => index >= at));
  const always = turns.map(({ index, text }) => ({ index, role: "quiet", text, onclick: () => timeline.scrub(index) }));
  const found = (row) => ({
    index: Math.max(...places(row)), role: `hue-${row.hue}`, text: `${row.label} found ${range(places(row).map((k) => states[k].index))}`,
    onclick: () => timeline.scrub(Math.max(...places(row))),
  });
  return (state) => {
    const rows = shown(state).map((word) => words[word]).filter((row) => places(row).length);
    timeline.mark([...always, ...rows.map(found)],
      rows.flatMap((row) => places(row).map((index) => ({ index, role: `hue-${row.hue}` }))));
  };
}
