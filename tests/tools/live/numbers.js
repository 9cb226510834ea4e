// Reads questions as JSON from stdin, answers with what the page's modules compute.
import { readFileSync } from "node:fs";

import { captionOf, picked, seedsIn } from "../../../src/denoisecli/tools/live/controls.js";
import { commandOf, crc32 } from "../../../src/denoisecli/tools/live/handoff.js";
import { changedShare, difference, poked } from "../../../src/denoisecli/tools/live/poke.js";
import { randn, seedBits, slerp } from "../../../src/denoisecli/tools/live/randn.js";
import { drawnScale, reachOf } from "../../../src/denoisecli/tools/live/reach.js";
import { makeSampler } from "../../../src/denoisecli/tools/live/samplers.js";
import { committedAt, makeSpectrum, settling } from "../../../src/denoisecli/tools/live/settle.js";
import { makeTokenizer } from "../../../src/denoisecli/tools/live/tokens.js";
import { unwritten } from "../../../src/denoisecli/tools/live/stored.js";

const f = Math.fround;
const answers = {
  noise: ({ seeds, length }) => seeds.map((seed) => [...randn(seedBits(seed), length)]),
  poked: ({ x, strokes, side, noise }) => {
    const [before, made] = [Float32Array.from(x), Float32Array.from(x)];
    const out = poked(made, strokes, side, Float32Array.from(noise));
    const apart = difference(before, out, side);
    return { out: [...out], kept: made.every((value, i) => value === before[i]), apart: [...apart], share: changedShare(apart) };
  },
  slerp: ({ a, b, share }) => [...slerp(Float32Array.from(a), Float32Array.from(b), share)],
  tokens: ({ vocab, merges, length, texts }) => {
    const tokens = makeTokenizer({ vocab, merges, length });
    return texts.map((text) => ({ ids: tokens.ids(text), unknown: tokens.unknown(text), cut: tokens.cut(text) }));
  },
  sampler: ({ name, schedule, steps, offset, noise }) => {
    const [bars, roots, noises] = schedule.map((values) => Float32Array.from(values));
    const sampler = makeSampler(name, { bars, roots, noises }, steps, offset);
    let [x, before, guesses] = [sampler.start(Float32Array.from(noise)), null, []];
    for (let k = 0; k < steps; k++) {
      const t = sampler.levels[k].timestep;
      const eps = sampler.input(x, k).map((value) => f(f(0.5 * value) + f(t / 5000)));
      const { guess, next } = sampler.step(x, eps, k, before);
      [x, before] = [next, guess];
      guesses.push([...guess]);
    }
    return { times: sampler.levels.slice(0, steps).map(({ timestep }) => timestep), sigmas: sampler.levels.map(({ sigma }) => sigma), guesses, final: [...x] };
  },
  settle: ({ guesses, side, threshold }) => {
    const spectrum = makeSpectrum(side);
    const found = settling(guesses.map((guess) => spectrum(Float32Array.from(guess))), side);
    return { ...found, layoutAt: committedAt(found.layout, threshold) };
  },
  command: ({ state, defaults, loras }) => commandOf(state, defaults, loras),
  scales: ({ guesses, final }) => guesses.map((guess) => drawnScale(Float32Array.from(guess), reachOf(Float32Array.from(final)))),
  seeds: ({ texts }) => texts.map(seedsIn),
  grammar: ({ words, grammar, prompt }) => [captionOf(words), picked(prompt, grammar)],
  crc: ({ text }) => crc32(new TextEncoder().encode(text)),
  unwritten: ({ text }) => [...unwritten(text)],
};
const asked = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(answers[asked.what](asked)));
