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

/** Every word has to be somewhere in the run: title, settings, lab, state, folder, or "key=value" of its config. */
export function passes(run, { words, lab }) {
  if (lab && run.lab !== lab) return false;
  run.text ??= [run.title, run.settings, run.lab, run.state, run.folder, ...Object.entries(run.config ?? {}).map(([key, value]) => `${key}=${value}`)]
    .join("\n").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => run.text.includes(word));
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
