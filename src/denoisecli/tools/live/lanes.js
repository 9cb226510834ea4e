/** Runs in the making: each lane is one run from its noise to its picture, and only the newest wish is sampled. */

import { guided, makeSampler } from "./samplers.js";

const MOST = 24; // lanes whose states are remembered

/**
 * schedule, offset: as makeSampler takes them. engine: of makeEngine. contextOf(words) → a promise of the text encoder's
 * output. told(lane, state): a state was made; failed(error).
 * Returns {sample, busy}. sample(wanted) → the lanes, which fill while it goes on; wanted:
 * [{key, noise, words, negative, cfg, steps, sampler, strengths, both, from: {key, at, edit}}]: with `both`, both halves of guidance
 * are predicted even where its scale has no use for one; of `from`, another wanted lane, the states
 * up to `at` are taken over, and edit(x, sampler) is x there. A lane is {key, wish, sampler, states: [{x, guess, uncond, cond, lane}], done};
 * a state's lane is the one that made its guess, which others may have taken over.
 */
export function makeLanes({ schedule, offset, engine, contextOf, told, failed }) {
  const known = new Map();
  let [newest, sampling] = [0, false];

  const laneOf = (wish) => {
    const lane = known.get(wish.key) ?? { key: wish.key, wish, sampler: makeSampler(wish.sampler, schedule, wish.steps, offset), states: [], done: false };
    known.delete(wish.key); // and to the end: the oldest one goes first
    known.set(wish.key, lane);
    if (known.size > MOST) known.delete(known.keys().next().value);
    if (!lane.states.length && !wish.from) lane.states.push({ x: lane.sampler.start(wish.noise) });
    return lane;
  };

  const step = async (lane, k, isNewest) => {
    const { wish, sampler, states } = lane;
    const state = states[k];
    const heard = [wish.both || wish.cfg !== 1, wish.both || wish.cfg !== 0];
    const asked = [wish.negative, wish.words].filter((_, half) => heard[half]);
    const contexts = await Promise.all(asked.map(contextOf));
    if (!isNewest()) return;
    const found = await engine.halves(sampler.input(state.x, k), sampler.levels[k].timestep, contexts, wish.strengths);
    if (states.length !== k + 1) return; // an older wish for the same lane made it meanwhile
    const [uncond, cond] = heard.map((isHeard) => (isHeard ? found.shift() : null));
    const eps = wish.cfg === 1 ? cond : wish.cfg === 0 ? uncond : guided(uncond, cond, wish.cfg);
    const { guess, next } = sampler.step(state.x, eps, k, k ? states[k - 1].guess : null);
    Object.assign(state, { guess, uncond, cond, lane });
    states.push(k + 1 === wish.steps ? { x: next, guess: next } : { x: next });
    lane.done = k + 1 === wish.steps;
    told(lane, k);
  };

  /** Take the states of another lane over, up to the one where they part. */
  const inherit = (lane, lanes, k) => {
    const { key, at, edit } = lane.wish.from;
    const trunk = lanes.find((other) => other.key === key);
    if (k < at) lane.states[k] = trunk.states[k];
    else if (k === at) lane.states[k] = { x: edit ? edit(trunk.states[k].x, trunk.sampler) : trunk.states[k].x };
  };

  const sample = (wanted) => {
    const mine = ++newest;
    const isNewest = () => mine === newest;
    const lanes = wanted.map(laneOf);
    const goOn = async () => {
      sampling = true;
      await engine.ready;
      const steps = Math.max(...wanted.map((wish) => wish.steps));
      for (let k = 0; k <= steps; k++) {
        for (const lane of lanes) {
          if (!isNewest()) return;
          if (lane.wish.from && lane.states.length <= k && k <= lane.wish.from.at) inherit(lane, lanes, k);
          const shared = lane.wish.from && k < lane.wish.from.at;
          if (!shared && lane.states.length === k + 1 && k < lane.wish.steps) await step(lane, k, isNewest);
        }
      }
    };
    goOn().catch(failed).finally(() => {
      if (isNewest()) sampling = false;
    });
    return lanes;
  };
  return { sample, busy: () => sampling };
}
