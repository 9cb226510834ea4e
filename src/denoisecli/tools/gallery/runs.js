/** Which runs are shown, in which order, and where two of them differ. */

const numberOf = (run, key) => (typeof run.config?.[key] === "number" ? run.config[key] : -Infinity);
const byText = (key) => (a, b) => String(a[key]).localeCompare(String(b[key]));

export const ORDERS = {
  newest: { text: "Newest first", by: (a, b) => a.number - b.number },
  oldest: { text: "Oldest first", by: (a, b) => b.number - a.number },
  title: { text: "By prompt", by: byText("title") },
  lab: { text: "By lab", by: byText("lab") },
  cfg: { text: "By cfg", by: (a, b) => numberOf(a, "cfg") - numberOf(b, "cfg") },
  steps: { text: "By steps", by: (a, b) => numberOf(a, "steps") - numberOf(b, "steps") },
  size: { text: "Largest first", by: (a, b) => b.bytes - a.bytes },
};

/** Return the runs in an order; equal ones stay as they were. */
export function ordered(runs, name) {
  return [...runs].sort(ORDERS[name].by);
}

/**
 * Whether the run has all that was typed: words, each at the start of one of its words; numbers, whole; and settings,
 * as "cfg 12" or "sampler=euler".
 */
export function passes(run, { words, lab }) {
  if (lab && run.lab !== lab) return false;
  run.facts ??= factsOf(run);
  return asked(words, run.facts).every(({ name, value }) =>
    run.facts.some((fact) => (!name || isNamed(fact, name)) && says(fact, value)));
}

const NUMBER = /^-?\d+(\.\d+)?$/;
const NUMBERS = /(?<![\p{L}\p{N}]|\d\.)-?\d+(\.\d+)?(?![\p{L}\p{N}]|\.\d)/gu;
const SPACELESS = /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}]/u; // scripts whose words have no gaps

/** What a run says: [{names, text, numbers}], names of a setting or none. */
function factsOf({ title, settings, lab, state, folder, config }) {
  const fact = (names, text, values = text) =>
    ({ names, text: text.toLowerCase(), numbers: (values.match(NUMBERS) ?? []).map(Number) });
  return [
    ...[title, lab, state, folder].map((text) => fact([], text)),
    ...settings.split(" · ").map((text) => fact(text.toLowerCase().match(/\p{L}+/gu) ?? [], text)),
    ...Object.entries(config ?? {}).map(([key, value]) => fact([key, key.split(".").pop()], `${key} ${value}`, String(value))),
  ];
}

/** Return [{name?, value}] of what was typed; a number behind the name of a setting is meant for it. */
function asked(words, facts) {
  const found = [];
  for (const word of words.toLowerCase().replace(/\s*=\s*/g, "=").split(/\s+/).filter(Boolean)) {
    const before = found[found.length - 1];
    const [name, value] = word.split(/=(.*)/s);
    if (value !== undefined) found.push({ name, value });
    else if (NUMBER.test(word) && before && !before.name && facts.some((fact) => isNamed(fact, before.value))) {
      found[found.length - 1] = { name: before.value, value: word };
    } else found.push({ value: word });
  }
  return found;
}

function isNamed({ names }, name) {
  return names.some((own) => own === name || own === `${name}s` || `${own}s` === name);
}

function says({ text, numbers }, value) {
  if (NUMBER.test(value)) return numbers.includes(Number(value));
  const start = /^[\p{L}\p{N}]/u.test(value) && !SPACELESS.test(value) ? "(?<![\\p{L}\\p{N}]|\\d\\.)" : "";
  return new RegExp(start + value.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "u").test(text);
}

/** Return [{key, a, b}] of the settings that differ; a or b is null where one has none. */
export function differences(a, b) {
  const keys = [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])];
  return keys.map((key) => ({ key, a: a?.[key] ?? null, b: b?.[key] ?? null })).filter((row) => row.a !== row.b);
}

/** 14.9 MB: bytes as people say them. */
export function megabytes(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** unit;
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}
