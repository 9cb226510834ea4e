/** Colours that stand for numbers, mixed from the theme's own. */

const SCALE = ["--quiet", "--teal", "--amber", "--rose"];

/** Return the CSS colour at `share` (0..1) from the weakest to the strongest: quiet, teal, amber, rose. */
export function strength(share) {
  const [index, part] = between(share, SCALE.length);
  return `color-mix(in srgb, var(${SCALE[index]}), var(${SCALE[index + 1]}) ${(100 * part).toFixed(1)}%)`;
}

/** Return 256 · 3 bytes: the panel's colour for nothing, over rose and amber to ink for the most. */
export function heatTable() {
  const [panel, rose, amber, ink] = ["--panel", "--rose", "--amber", "--ink"].map(themeColour);
  const stops = [panel, mixed(panel, rose, 0.75), amber, ink];
  const table = new Uint8Array(256 * 3);
  for (let level = 0; level < 256; level++) {
    const [index, part] = between(level / 255, stops.length);
    table.set(mixed(stops[index], stops[index + 1], part).map(Math.round), level * 3);
  }
  return table;
}

/** Return a colour of the theme as [red, green, blue]. */
export function themeColour(name) {
  const code = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => parseInt(code.slice(at, at + 2), 16));
}

/** Return the colour at `share` (0..1) of the way from `first` to `second`. */
export function mixed(first, second, share) {
  return first.map((value, i) => value + (second[i] - value) * share);
}

function between(share, count) {
  const place = Math.min(1, Math.max(0, share)) * (count - 1);
  const index = Math.min(Math.floor(place), count - 2);
  return [index, place - index];
}
