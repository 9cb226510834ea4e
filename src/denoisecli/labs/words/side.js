/** The side: the state, what share each word gets (of the whole picture, or at a place), and when words found theirs. */

import { element } from "../../media/page/dom.js";
import { percent, threeFigures, timestep } from "../../media/page/numbers.js";
import { makeTabs } from "../../media/page/tabs.js";

const MOST = 5; // words in the list

/** Returns {tell}; onChoose: {seed, two}. */
export function makeSide(data, node, maps, plot, readout, onChoose) {
  const { seeds, words, states, last } = data;
  const title = element("div", { class: "rank-title" });
  const list = element("ol", { class: "rank" });
  const note = element("p", { class: "note" });
  const seedTabs = makeTabs({ label: "seed", onChoose: onChoose.seed, choices: seeds.map((text, value) => ({ value, text })) });
  const twoTabs = makeTabs({
    label: "words at once", onChoose: onChoose.two, choices: [{ value: false, text: "1 word" }, { value: true, text: "2 words" }],
  });
  node.append(element("div", { class: "headline close-by" }, ...readout.nodes), title, list, element("div", { class: "plot-place" }, plot.node), note,
    element("div", { class: "choose" }, ...(seeds.length > 1 ? [seedTabs.node] : []), ...(words.length > 1 ? [twoTabs.node] : [])));
  let drawn = "";
  const tell = (state, shown, seed) => {
    const { state: k, at } = state;
    const [row, word] = [states[k], words[shown[shown.length - 1]]];
    readout.tell(String(row.index), `of ${last}`, [timestep(row.timestep), threeFigures(row.sigma),
      word && !word.by_outputs ? percent(word.share[k]) : "–", word ? String(word.found_at[seed] ?? "–") : "–"]);
    rank(k, at, seed, word?.negative ?? false, word?.by_outputs ?? false);
    if (drawn !== String(shown)) drawPlot(data, plot, shown);
    drawn = String(shown);
    plot.move(k);
    note.textContent = sentenceOf(data, shown, k);
    seedTabs.set(state.seed);
    twoTabs.set(state.two);
  };
  const rank = (k, at, seed, negative, byOutputs) => {
    const own = words.map((row, word) => ({ ...row, word })).filter((row) => row.negative === negative && row.by_outputs === byOutputs);
    const rows = own.map((row) => ({ ...row, value: at ? maps.value(seed, k, row.word, at) : row.share[k] }))
      .sort((a, b) => b.value - a.value);
    const rest = !at && !negative && !byOutputs && data.rest[k] !== undefined && data.rest[k] !== null;
    rows.length = Math.min(rows.length, rest ? MOST - 1 : MOST);
    const most = Math.max(1e-9, ...rows.map(({ value }) => value));
    if (byOutputs) title.textContent = `which concept ${at ? "this place" : "the picture"} is most like: share among them`;
    else title.textContent = at ? "who speaks at this place: share of its attention" : `who speaks: share of the attention${negative ? " of the negative prompt" : ""}`;
    list.replaceChildren(...rows.map(({ label, hue, value }) => line(label, `hue-${hue}`, value, value / most)),
      ...(rest ? [line("no word", "quiet", data.rest[k], null)] : []));
  };
  return { tell };
}

/** share: of the longest bar; null for a number alone, which is too large beside the others. */
function line(label, role, value, share) {
  const bar = share === null ? null : element("i", {});
  bar?.style.setProperty("--share", String(Math.min(1, share)));
  return element("li", { class: role }, element("span", { text: label }), element("div", {}, bar), element("b", { text: percent(value) }));
}

function drawPlot({ words, captions, bound }, plot, shown) {
  const own = shown.map((word) => words[word]).filter(({ overlap }) => overlap.length > 1);
  if (!own.length) return;
  const others = words.filter((row) => !own.includes(row) && !row.silent && row.negative === own[0].negative);
  plot.draw({
    title: "overlap of the word's place with its final one", caption: captions.finding, ends: ["noise", "picture"], top: 1,
    curves: own.map(({ label, hue, overlap }) => ({ label, role: `hue-${hue}`, values: overlap })),
    behind: others.slice(0, 12).map(({ overlap }) => ({ values: overlap, role: "quiet" })),
    thresholds: [{ value: bound, role: "quiet", text: "found" }],
  });
}

/** What was measured of the shown words, in a sentence. */
function sentenceOf({ words, pairs, last }, shown, k) {
  const rows = shown.map((word) => words[word]);
  if (rows.length === 2) return ofPair(pairs.find(({ words: two }) => shown.every((word) => two.includes(word))), shown, rows, k);
  if (!rows.length) return "";
  const [{ label: text, silent, found, begins, found_at }] = rows;
  if (silent) return `“${text}” hardly speaks: nowhere does it get much beside the loudest word.`;
  const each = found_at.length > 1 ? ` (by seed: ${found_at.map((at) => at ?? "–").join(", ")})` : "";
  const where = found === null ? `“${text}” has no place of its own${each}.`
    : `“${text}” ${found <= begins ? "was in its place from the start" : `found its place by state ${Number(found.toFixed(1))} of ${last}`}${each}.`;
  const [near] = pairs.filter((row) => row.words.includes(shown[0])).map((row) => ({ ...row, end: row.overlap[row.overlap.length - 1] }))
    .sort((a, b) => b.end - a.end);
  const other = near && near.end >= 0.25 ? words[near.words.find((word) => word !== shown[0])] : null;
  return other ? `${where} It shares it with “${other.label}”: ${percent(near.end)}.` : where;
}

function ofPair(pair, shown, rows, k) {
  const [one, two] = rows.map(({ label }) => `“${label}”`);
  if (!pair) return `The places of ${one} and ${two} do not meet, or they share less than other pairs.`;
  const [first, second] = pair.words[0] === shown[0] ? pair.on : [...pair.on].reverse();
  return `The places of ${one} and ${two} overlap by ${percent(pair.overlap[k])} here, ${percent(pair.overlap[pair.overlap.length - 1])} at the end, ` +
    `where ${percent(first)} of ${one} lies on ${two} and ${percent(second)} the other way.`;
}
