/** Guesses outside of what pictures have are drawn scaled into it, as denoisecli.scale has it; their numbers stay raw. */

const RANGE = 0.99; // quantile of |latent| that a picture's range is told by
const BEYOND = 1.25; // times the finished picture's range that a guess may reach and still be drawn as it is

/** The range of latents: the RANGE quantile of their size, between two values where it falls between them. */
export function reachOf(latents) {
  const sizes = latents.map(Math.abs).sort();
  const at = RANGE * (sizes.length - 1);
  const [low, high] = [sizes[Math.floor(at)], sizes[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

/** The factor that brings a guess into the range `own` of its finished picture; 1 for one that is inside. */
export function drawnScale(guess, own) {
  const reach = reachOf(guess);
  return own > 0 && Number.isFinite(reach) && reach > BEYOND * own ? own / reach : 1;
}

/**
 * Return drawable(lane, guess) → {latents, factor}: what to draw of a guess. Before its picture is finished, its range is
 * taken to be that of the picture that was finished last, at first `typical`.
 */
export function makeReach(typical) {
  const ranges = new WeakMap();
  const made = new WeakMap();
  let last = typical;
  const ownOf = (lane) => {
    const end = lane.done ? lane.states[lane.wish.steps].x : null;
    if (!end) return last;
    if (!ranges.has(end)) ranges.set(end, (last = reachOf(end)));
    return ranges.get(end);
  };
  return (lane, guess) => {
    const own = ownOf(lane);
    const before = made.get(guess);
    if (before?.own === own) return before;
    const factor = drawnScale(guess, own);
    const found = { own, factor, latents: factor === 1 ? guess : guess.map((value) => value * factor) };
    made.set(guess, found);
    return found;
  };
}
