/** Where panels go, as large as they can be and all of one size; and the pictures of a strip. */

/**
 * Return {columns, rows, width, height} of n panels of proportion `ratio` (width / height) that fill a room of
 * width × height best, `gap` between them. gain: how many times larger panels in more columns have to be.
 */
export function fitPanels(n, ratio, width, height, gap, gain = 1) {
  let best = null;
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    const across = (width - gap * (columns - 1)) / columns;
    const down = (height - gap * (rows - 1)) / rows;
    const panel = Math.floor(Math.max(1, Math.min(across, down * ratio)));
    if (best === null || panel > gain * best.width) best = { columns, rows, width: panel, height: Math.round(panel / ratio) };
  }
  return best;
}

const GAP = 3; // pixels between the pictures of a strip
const LEAST = 28; // pixels that their shorter side has
const [ONE, ALL] = [0.09, 0.15]; // of the window's height: one row, and all rows together
const FULL = 0.4; // of their pitch that the pictures of several rows take at least

/**
 * Return how a strip of `count` pictures in `rows` lines fits into `width` pixels of a window so high:
 * {shown, rows, pitch, width, height, gap}. shown: pictures in a row; rows: 1 where all of them would be too small;
 * width, height: of a picture, which is whole and stands in the middle of its pitch.
 */
export function fitStrip({ count, rows, ratio, width, windowHeight }) {
  const shown = Math.max(1, Math.min(count, Math.floor((width + GAP) / (LEAST * Math.max(1, ratio) + GAP))));
  const pitch = (width + GAP) / shown;
  const each = (ALL * windowHeight + GAP) / rows - GAP;
  const lines = each >= LEAST && each * ratio >= FULL * pitch ? rows : 1;
  const most = Math.max(LEAST, Math.floor(lines === 1 ? ONE * windowHeight : each));
  const height = Math.max(1, Math.min(most, Math.round((pitch - GAP) / ratio)));
  return { shown, rows: lines, pitch, width: Math.min(pitch - GAP, height * ratio), height, gap: GAP };
}

/** The state that the picture at `place` of a strip shows, of `shown` evenly spread ones. */
export function shownAt(place, shown, count) {
  return Math.round((place / Math.max(1, shown - 1)) * (count - 1));
}

/** The place of the picture that is nearest to a state. */
export function nearestShown(index, shown, count) {
  return Math.round((index / Math.max(1, count - 1)) * (shown - 1));
}
