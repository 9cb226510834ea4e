/** The model, in workers: one for each half of guidance, and one that reads words and draws pictures. */

const WORDS = 32;

/**
 * loaded: a promise of {source: the workers' script in parts, wasm: an ArrayBuffer, packs: {text, unet, decoder} (pack.py),
 * loras: packs (loras.py)}.
 * Returns {ready, isReady, text, halves, decode}: ready resolves to the milliseconds since the page was opened when all can
 * begin; text(ids) → context; halves(x, t, contexts, strengths) → the noise predicted for each context, of which there are
 * one or two, with the LoRAs at these strengths; decode(z) → {result: RGBA, ms}.
 */
export function makeEngine({ side, loaded }) {
  let ready = false;
  const hands = loaded.then(async ({ source, wasm, packs: { text, unet, decoder }, loras }) => {
    const url = URL.createObjectURL(new Blob(source, { type: "text/javascript" }));
    const [artist, ...pair] = [makeHand(url), makeHand(url), makeHand(url)];
    await Promise.all([artist.ask("load", { wasm, packs: { text, decoder } }), ...pair.map((hand) => hand.ask("load", { wasm, packs: { unet }, loras }))]);
    ready = true;
    return { artist, pair };
  });
  return {
    ready: hands.then(() => performance.now()), isReady: () => ready,
    text: async (ids) => (await (await hands).artist.ask("text", { ids })).result,
    halves: async (x, t, contexts, strengths) => {
      const { pair } = await hands;
      const asked = contexts.map((context, i) => pair[i].ask("unet", { x, side, t, context, words: WORDS, strengths }));
      return (await Promise.all(asked)).map(({ result }) => result);
    },
    decode: async (z) => (await hands).artist.ask("decode", { z, side }),
  };
}

/** A worker: ask(job, args) → {result, ms}, one after the other. */
function makeHand(url) {
  const worker = new Worker(url);
  const waiting = new Map();
  let next = 0;
  worker.onmessage = ({ data: { id, error, ...answer } }) => {
    const { yes, no } = waiting.get(id);
    waiting.delete(id);
    if (error) no(new Error(error));
    else yes(answer);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    for (const { no } of waiting.values()) no(new Error(event.message || "a worker did not start"));
    waiting.clear();
  };
  const ask = (job, args) => new Promise((yes, no) => {
    waiting.set(next, { yes, no });
    worker.postMessage({ id: next++, job, args });
  });
  return { ask };
}
