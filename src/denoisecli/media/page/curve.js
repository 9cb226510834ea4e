/** The geometry of plots: smooth lines that never overshoot, and free places for their names. */

/** Return the SVG path of a smooth line through points [[x, y], …], x rising: monotone cubic Hermite. */
export function smoothPath(points) {
  if (points.length === 0) return "";
  const at = ([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`;
  const tangents = monotoneTangents(points);
  let path = `M${at(points[0])}`;
  for (let i = 1; i < points.length; i++) {
    const [x0, y0] = points[i - 1];
    const [x1, y1] = points[i];
    const third = (x1 - x0) / 3;
    path += `C${at([x0 + third, y0 + third * tangents[i - 1]])} ${at([x1 - third, y1 - third * tangents[i]])} ${at(points[i])}`;
  }
  return path;
}

/** Return dy/dx at each point; 0 at turning points, the harmonic mean of both sides elsewhere (Fritsch & Butland). */
export function monotoneTangents(points) {
  const slopes = points.slice(1).map(([x, y], i) => (y - points[i][1]) / Math.max(1e-9, x - points[i][0]));
  if (slopes.length === 0) return points.map(() => 0);
  return points.map((_, i) => {
    if (i === 0) return slopes[0];
    if (i === points.length - 1) return slopes[slopes.length - 1];
    const [before, after] = [slopes[i - 1], slopes[i]];
    return before * after > 0 ? (2 * before * after) / (before + after) : 0;
  });
}

/**
 * Return the middle [x, y] of the free place for a word of width × height that is nearest to its own line, or null.
 * area: {left, right, top, bottom}. own, others: points of lines. placed: boxes {x, y, width, height} by their middle.
 */
export function labelPlace(width, height, area, own, others, placed) {
  let best = null;
  for (let x = area.left + width / 2; x <= area.right - width / 2; x += 8) {
    for (let y = area.top + height / 2; y <= area.bottom - height / 2; y += 3) {
      const box = { x, y, width: width + 8, height: height + 2 };
      if (placed.some((other) => overlap(box, other))) continue;
      const near = distance(box, own);
      if (near < 4 || (best !== null && near >= best.score)) continue; // the score is never less than that
      const rival = distance(box, others);
      if (rival < 4 || rival < near) continue;
      const score = near + Math.max(0, 2.5 * near - rival);
      if (best === null || score < best.score) best = { score, place: [x, y] };
    }
  }
  return best && best.place;
}

function overlap(a, b) {
  return Math.abs(a.x - b.x) * 2 < a.width + b.width && Math.abs(a.y - b.y) * 2 < a.height + b.height;
}

function distance(box, points) {
  let least = 1e12;
  for (const [x, y] of points) {
    const across = Math.max(0, Math.abs(x - box.x) - box.width / 2);
    const down = Math.max(0, Math.abs(y - box.y) - box.height / 2);
    least = Math.min(least, across * across + down * down);
  }
  return Math.sqrt(least);
}
