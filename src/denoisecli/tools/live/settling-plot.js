/** The curves beside the pictures: how far each guess is from the last one, and when layout and detail are fixed. */

import { makePlot } from "../../media/page/plot.js";
import { committedAt, makeSpectrum, settling } from "./settle.js";

const MEASURES = [["layout", "amber"], ["detail", "teal"]];

/**
 * thresholds: [{value, role}], of MEASURES in their order. onScrub, hint: of makePlot.
 * Returns {node, move, draw}: draw(lane, count) → what is fixed of a finished run, [{name, role, index}].
 */
export function makeSettlingPlot({ side, caption, thresholds, onScrub, hint }) {
  const plot = makePlot({ onScrub, hint });
  const lines = thresholds.map(({ value, role }) => ({ value, role, text: `${role === "amber" ? "layout" : "detail"} fixed: under ${value}` }));
  const spectrum = makeSpectrum(side);
  const spectra = new WeakMap();
  const spectrumOf = (latents) => {
    if (!spectra.has(latents)) spectra.set(latents, spectrum(latents));
    return spectra.get(latents);
  };
  const draw = (lane, count) => {
    const guesses = lane.states.map(({ guess }) => guess).filter(Boolean);
    const pad = (values) => [...values, ...Array(Math.max(0, count - values.length)).fill(null)];
    const found = guesses.length > 1 ? settling(guesses.map(spectrumOf), side) : { layout: [], detail: [] };
    plot.draw({
      title: lane.done ? "distance of the guess to the final picture" : "distance of the guess to the newest one",
      caption, ends: ["noise", "picture"], top: 1, thresholds: lines,
      curves: MEASURES.map(([label, role]) => ({ label: lane.done && found[label].length > 2 ? label : "", role, values: pad(found[label]) })),
    });
    return lane.done ? MEASURES.map(([name, role], i) => ({ name, role, index: committedAt(found[name], thresholds[i].value) })) : [];
  };
  return { node: plot.node, move: plot.move, draw };
}
