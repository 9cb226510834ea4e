/** The map of a way: its ends with their pictures, a dot for each frame, the way so far, and where we are; to be dragged. */

import { draggable, element, keepFitted, svg } from "../../media/page/dom.js";

const SIDES = [92, 76, 60, 48, 36, 0]; // pixels of the ends' pictures that are tried, the largest first
const [LABEL, AIR] = [20, 10]; // pixels
const MOST_DOTS = 240;

/**
 * map: {line, ends, points} of [x, y, share of the way] in one plane, names of the ends and
 * pictures: which point each end is; picture(end) → what to draw there, or nothing yet.
 * onFrame(index): the pointer is nearest to that frame. Returns {node, draw, move}: draw() lays it out, move(index).
 */
export function makeMap({ line, ends, points, names, pictures }, picture, onFrame) {
  const canvas = svg("svg", { class: "plot", role: "img", focusable: "false", "aria-label": `map of the way: ${names.join(", ")}` });
  const thumbs = names.map((name) => {
    const shown = element("canvas", { "aria-hidden": "true" });
    return { shown, node: element("div", { class: "end" }, shown, element("span", { text: name })) };
  });
  const node = element("div", { class: "map" }, canvas, ...thumbs.map((thumb) => thumb.node));
  let [place, now, moving] = [null, 0, null];

  const draw = keepFitted(node, () => {
    const [width, height] = [node.clientWidth, node.clientHeight];
    if (!width || !height) return;
    const fit = fitMap(line, ends, width, height);
    place = fit.place;
    canvas.setAttribute("viewBox", `0 0 ${width} ${height}`);
    moving = { way: svg("path", { class: "way" }), here: svg("circle", { class: "here", r: 8 }) };
    canvas.replaceChildren(
      svg("path", { class: "road", d: pathOf(line.map(place)) }), moving.way,
      ...(points.length <= MOST_DOTS ? points.map(place).map(([cx, cy]) => svg("circle", { class: "step", cx, cy, r: 2 })) : []),
      moving.here);
    thumbs.forEach(({ shown, node: end }, i) => {
      const [x, y] = place(ends[i]);
      end.style.setProperty("left", `${x}px`);
      end.style.setProperty("top", `${y}px`);
      end.style.setProperty("--side", `${fit.side}px`);
      end.classList.toggle("bare", !fit.side);
      square(shown, picture(i), fit.side);
    });
    move(now);
  });
  const move = (index) => {
    now = index;
    thumbs.forEach(({ node: end }, i) => end.classList.toggle("now", pictures[i] === index));
    if (!place) return;
    const [x, y] = place(points[index]);
    moving.here.setAttribute("cx", x);
    moving.here.setAttribute("cy", y);
    const passed = line.filter(([, , at]) => at <= points[index][2]);
    moving.way.setAttribute("d", pathOf([...passed, points[index]].map(place)));
  };
  draggable(node, (across, down) => {
    if (!place) return;
    onFrame(nearest(points.map(place), [across * node.clientWidth, down * node.clientHeight]));
  });
  return { node, draw, move };
}

/** Return {place, side}: place([x, y]) in pixels, and the largest side of the ends' pictures that leaves the way seen. */
export function fitMap(line, ends, width, height) {
  const [xs, ys] = [line.map(([x]) => x), line.map(([, y]) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [wide, tall] = [Math.max(1e-6, Math.max(...xs) - left), Math.max(1e-6, Math.max(...ys) - top)];
  const apart = Math.min(...ends.flatMap(([x, y], i) => ends.slice(0, i).map(([a, b]) => Math.hypot(x - a, y - b))));
  for (const side of SIDES) {
    const [w, h] = [width - side - 2 * AIR, height - side - LABEL - 2 * AIR];
    const scale = Math.min(w / wide, h / tall);
    if (side && (h <= 0 || scale * apart < 1.7 * side)) continue;
    const [x0, y0] = [(width - scale * wide) / 2, (height - LABEL - scale * tall) / 2];
    return { side, place: ([x, y]) => [x0 + scale * (x - left), y0 + scale * (y - top)] };
  }
}

/** Return the index of the point that is nearest to [x, y]. */
export function nearest(points, [x, y]) {
  const far = points.map(([a, b]) => (a - x) ** 2 + (b - y) ** 2);
  return far.indexOf(Math.min(...far));
}

function pathOf(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

/** Draw the middle square of a picture. */
function square(canvas, source, side) {
  if (!source || !side) return;
  const size = Math.round(side * (window.devicePixelRatio || 1));
  Object.assign(canvas, { width: size, height: size });
  const edge = Math.min(source.width, source.height);
  const ink = canvas.getContext("2d");
  ink.imageSmoothingQuality = "high";
  ink.drawImage(source, (source.width - edge) / 2, (source.height - edge) / 2, edge, edge, 0, 0, size, size);
}
