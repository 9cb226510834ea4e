/** ΔW and its copy B·A at a rank, computed here: B stands left of the product and A above it, as one multiplies. */

import { arrayOf } from "../../media/page/bytes.js";
import { makeBars } from "./bars.js";
import { themeColour } from "../../media/page/colours.js";
import { element } from "../../media/page/dom.js";
import { makeProduct, signedPixels } from "./product.js";

const [GAP, LABEL, SPECTRUM] = [14, 24, 96]; // pixels; the last is the least height of the bars, their title and caption
const RULED = 10; // pixels of a cell from which on its edges are drawn, so that numbers that are 0 are seen to be numbers
const TOLD = 180; // pixels of width that the caption of the singular values needs
const LEAST = 260; // pixels of height that the stage always gets

export const MATRIX_VIEWS = [
  ["copy", "Copy B·A", "the sum of the first parts σ·u·vᵀ, as many as the rank says"],
  ["missing", "Missing", "ΔW − B·A, what the copy lacks"],
  ["part", "Part", "the last part that the rank lets in, σ·u·vᵀ, alone"],
];

/**
 * matrix: {shape, whole, most, limit} and arrays {B, A, delta, values}; see `figures/pages/lora_rank.py`.
 * caption: of the singular values.
 * Returns {node, layOut, draw, thumb}: a stage for makeShell; draw(rank, view); thumb(rank): a canvas of the copy.
 */
export function makeMatrix({ shape: [rows, columns], whole, most, limit }, arrays, caption, onRank) {
  const [B, A, delta, values] = ["B", "A", "delta", "values"].map((name) => arrayOf(arrays[name]));
  const colours = { zero: themeColour("--line"), up: themeColour("--amber"), down: themeColour("--teal") };
  const { at, part } = makeProduct(B, A, rows, columns, most);
  const spare = new Float64Array(rows * columns);
  const reach = B.reduce((top, value) => Math.max(top, Math.abs(value)), A.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-30));
  const shown = (rank, view) => {
    if (view === "part") return part(rank - 1, spare);
    const product = at(rank);
    if (view === "copy") return product;
    for (let i = 0; i < spare.length; i++) spare[i] = delta[i] - product[i];
    return spare;
  };

  const bars = makeBars({ title: "singular values", caption, onScrub: (share) => onRank(Math.min(most, Math.floor(share * most) + 1)) });
  const panels = {
    whole: panel("ΔW", columns, rows), left: panel("B", most, rows), top: panel("A", columns, most), product: panel("B·A", columns, rows),
  };
  const node = element("div", { class: "stage matrix" }, element("div", { class: "spectrum" }, bars.node),
    ...Object.entries(panels).map(([place, { figure }]) => {
      figure.classList.add(place);
      return figure;
    }));
  node.style.setProperty("--across", String(columns + most));
  const pieces = whole[0] !== rows || whole[1] !== columns ? " of it" : "";
  paint(panels.whole.canvas, delta, limit, colours);
  panels.whole.tell(`${rows}×${columns}${pieces}`);

  const layOut = (width, height) => {
    const across = (width - 2 * GAP) / (2 * columns + most);
    const room = Math.max(LEAST, height) - GAP - LABEL;
    let cell = Math.min(across, (room - LABEL) / (rows + most), (room - SPECTRUM) / rows);
    if (cell >= 4) cell = Math.floor(cell * (cell < 10 ? 2 : 1)) / (cell < 10 ? 2 : 1);
    node.style.setProperty("--cell", `${cell}px`);
    node.classList.toggle("ruled", cell >= RULED);
    node.classList.toggle("untold", cell * (columns + most) < TOLD);
    return cell * (2 * columns + most) + 2 * GAP;
  };
  const draw = (rank, view) => {
    const said = { copy: ["B·A", `rank ${rank}`], missing: ["ΔW − B·A", `at rank ${rank}`], part: ["σ·u·vᵀ", `number ${rank}`] };
    node.style.setProperty("--rank", String(rank));
    paint(panels.product.canvas, shown(rank, view), limit, colours);
    panels.product.tell(...said[view].reverse());
    factors(panels.left.canvas, panels.top.canvas, rank);
    panels.left.tell(`${whole[0]}×${rank}`);
    panels.top.tell(`${rank}×${whole[1]}`);
    bars.draw(values, rank);
  };
  /** B with its first column next to the product, A with its first row next to it; only `rank` of them. */
  const factors = (left, top, rank) => {
    const [b, a] = [new Float64Array(rows * most), new Float64Array(most * columns)];
    for (let k = 0; k < rank; k++) {
      for (let i = 0; i < rows; i++) b[i * most + (most - 1 - k)] = B[i * most + k];
      for (let j = 0; j < columns; j++) a[(most - 1 - k) * columns + j] = A[k * columns + j];
    }
    paint(left, b, reach, colours);
    paint(top, a, reach, colours);
    empty(left, most - rank, rows); // what is not there yet is no zero
    empty(top, columns, most - rank);
  };
  const thumb = (rank) => {
    const canvas = element("canvas", { width: columns, height: rows });
    paint(canvas, at(rank), limit, colours);
    return canvas;
  };
  return { node, layOut, draw, thumb };
}

function panel(name, width, height) {
  const canvas = element("canvas", { width, height, role: "img", "aria-label": name });
  const [title, size] = [element("b", { text: name }), element("span")];
  canvas.style.setProperty("width", `calc(var(--cell) * ${width})`);
  canvas.style.setProperty("height", `calc(var(--cell) * ${height})`);
  const tell = (words, named = name) => {
    title.textContent = named;
    size.textContent = words;
    canvas.setAttribute("aria-label", `${named}, ${words}`);
  };
  return { canvas, tell, figure: element("figure", {}, element("div", { class: "numbers" }, canvas), element("figcaption", {}, title, size)) };
}

function empty(canvas, width, height) {
  const ink = canvas.getContext("2d");
  ink.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--panel");
  ink.fillRect(0, 0, width, height);
}

function paint(canvas, numbers, limit, colours) {
  const ink = canvas.getContext("2d");
  const image = ink.createImageData(canvas.width, canvas.height);
  signedPixels(image.data, numbers, limit, colours);
  ink.putImageData(image, 0, 0);
}
