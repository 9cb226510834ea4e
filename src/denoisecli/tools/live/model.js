/** The model in this page: its vocabulary, its engine and the runs that it makes. */

import { bytesOf } from "../../media/page/bytes.js";
import { makeEngine } from "./engine.js";
import { makeLanes } from "./lanes.js";
import { stored } from "./stored.js";
import { makeTokenizer } from "./tokens.js";

/** told(): a state was made; failed(error). Returns {tokens, engine, lanes}. */
export function makeModel({ data, told, failed }) {
  const tokens = makeTokenizer(data.tokenizer);
  const engine = makeEngine({ side: data.side, loaded: unpacked(data) });
  const contexts = new Map();
  const contextOf = (words) => {
    if (!contexts.has(words)) contexts.set(words, engine.text(tokens.ids(words)));
    return contexts.get(words);
  };
  return { tokens, engine, lanes: makeLanes({ schedule: scheduleOf(data.schedule), offset: data.offset, engine, contextOf, told, failed }) };
}

function scheduleOf(coded) {
  const numbers = new Float32Array(bytesOf(coded).buffer);
  const third = numbers.length / 3;
  return { bars: numbers.subarray(0, third), roots: numbers.subarray(third, 2 * third), noises: numbers.subarray(2 * third) };
}

/** Unpack what the file carries, once the page itself is on the screen. */
async function unpacked(data) {
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const wanted = Object.entries(data.stored).filter(([id]) => !id.startsWith("font/"));
  const parts = Object.fromEntries(await Promise.all(wanted.map(async ([id, told]) => [id, await stored(id, told)])));
  return { source: [parts.engine, "\n", data.worker], wasm: parts.wasm, packs: parts, loras: data.sliders.map((_, i) => parts[`lora/${i}`]) };
}
