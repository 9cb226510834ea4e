/** DDIM, Euler and DPM++ 2M for a noise-predicting model, in float32, each operation rounded once as diffusers does it. */

const f = Math.fround;
export const SAMPLERS = { ddim: "DDIM", euler: "Euler", dpmpp_2m: "DPM++ 2M" };

/**
 * schedule: {bars, roots, noises}, Float32Arrays of ᾱ, √ᾱ and √(1−ᾱ) of all timesteps; offset: the scheduler's steps_offset.
 * Returns {levels, start, input, step, canvas} of a run in `steps` steps: levels: [{timestep, alpha_bar, sigma, snr_db}]
 * of all states; start(noise) → x_T; input(x, k): what the model is shown; step(x, eps, k, before) → {guess, next}, where
 * `before` is the guess of the step before, or null; canvas(x, k): the latents to be decoded as a picture.
 */
export function makeSampler(name, schedule, steps, offset) {
  return (name === "ddim" ? ddim : name === "euler" ? euler : dpmpp)(schedule, steps, offset);
}

function ddim({ bars, roots, noises }, steps, offset) {
  const stride = Math.floor(bars.length / steps);
  const times = Array.from({ length: steps }, (_, k) => Math.min(bars.length - 1, (steps - 1 - k) * stride + offset));
  const to = (k) => Math.max(0, times[k] - stride);
  const levels = [...times, to(steps - 1)].map((t) => levelOf(t, bars[t]));
  return {
    levels, start: (noise) => noise, input: (x) => x, canvas: (x) => x,
    step: (x, eps, k) => {
      const [root, noise, nextRoot, nextNoise] = [roots[times[k]], noises[times[k]], roots[to(k)], noises[to(k)]];
      const guess = x.map((value, i) => f(f(value - f(noise * eps[i])) / root));
      return { guess, next: guess.map((value, i) => f(f(nextRoot * value) + f(nextNoise * eps[i]))) };
    },
  };
}

function euler({ bars }, steps, offset) {
  const stride = Math.floor(bars.length / steps);
  const times = Array.from({ length: steps }, (_, k) => Math.min(bars.length - 1, (steps - 1 - k) * stride + offset));
  const sigmas = Float32Array.from([...times.map((t) => sigmaOf(bars[t])), 0]);
  const size = (k) => Math.sqrt(sigmas[k] * sigmas[k] + 1);
  return {
    levels: levelsOf(sigmas, times),
    start: (noise) => noise.map((value) => f(value * f(size(0)))),
    input: (x, k) => x.map((value) => f(value / f(size(k)))),
    canvas: (x, k) => x.map((value) => value / size(k)),
    step: (x, eps, k) => {
      const [sigma, change] = [sigmas[k], f(sigmas[k + 1] - sigmas[k])];
      const guess = x.map((value, i) => f(value - f(sigma * eps[i])));
      return { guess, next: x.map((value, i) => f(value + f(f(f(value - guess[i]) / sigma) * change))) };
    },
  };
}

/** Source: Lu et al. 2022, arXiv 2211.01095, algorithm 2; the last step is of first order. */
function dpmpp({ bars }, steps, offset) {
  const stride = Math.floor(bars.length / (steps + 1));
  const times = Array.from({ length: steps }, (_, k) => Math.min(bars.length - 1, (steps - k) * stride + offset));
  const sigmas = Float32Array.from([...times.map((t) => sigmaOf(bars[t])), 0]);
  const alpha = (k) => f(1 / f(Math.sqrt(f(sigmas[k] * sigmas[k] + 1))));
  const noise = (k) => f(sigmas[k] * alpha(k));
  const lambda = (k) => f(f(Math.log(alpha(k))) - f(Math.log(noise(k))));
  return {
    levels: levelsOf(sigmas, times), start: (values) => values, input: (x) => x, canvas: (x) => x,
    step: (x, eps, k, before) => {
      const guess = x.map((value, i) => f(f(value - f(noise(k) * eps[i])) / alpha(k)));
      const h = f(lambda(k + 1) - lambda(k));
      const [keep, add] = [f(noise(k + 1) / noise(k)), f(-f(alpha(k + 1) * f(f(Math.exp(-h)) - 1)))];
      const second = before && k < steps - 1;
      const ratio = second ? f(f(lambda(k) - lambda(k - 1)) / h) : 1;
      return {
        guess,
        next: x.map((value, i) => {
          const first = f(f(keep * value) + f(add * guess[i]));
          return second ? f(first + f(f(0.5 * add) * f(f(1 / ratio) * f(guess[i] - before[i])))) : first;
        }),
      };
    },
  };
}

function sigmaOf(bar) {
  return Math.sqrt(f(f(1 - bar) / bar));
}

function levelsOf(sigmas, times) {
  return [...sigmas].map((sigma, k) => ({ ...levelOf(times[k] ?? 0, 1 / (1 + sigma * sigma)), sigma }));
}

function levelOf(timestep, bar) {
  const snr = bar < 1 ? 10 * Math.log10(bar / (1 - bar)) : null;
  return { timestep, alpha_bar: bar, sigma: Math.sqrt((1 - bar) / bar), snr_db: snr };
}

/** uncond + scale · (cond − uncond). */
export function guided(uncond, cond, scale) {
  return uncond.map((value, i) => f(value + f(f(scale) * f(cond[i] - value))));
}
