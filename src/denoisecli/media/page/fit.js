/** Where panels go: as large as they can be, all of one size. */

/**
 * Return {columns, rows, width, height} of n panels of proportion `ratio` (width / height) that fill a room of
 * width × height best, `gap` between them.
 */
export function fitPanels(n, ratio, width, height, gap) {
  let best = null;
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    const across = (width - gap * (columns - 1)) / columns;
    const down = (height - gap * (rows - 1)) / rows;
    const panel = Math.floor(Math.max(1, Math.min(across, down * ratio)));
    if (best === null || panel > best.width) best = { columns, rows, width: panel, height: Math.round(panel / ratio) };
  }
  return best;
}
