// Runs parts of the model, off the page's thread. A classic script behind ONNX Runtime's, which makes `ort`: module
// workers do not start from a file that was opened from disk.
const [FLOAT16, ROWS, COLUMNS] = [0, 1, 2]; // kinds of tensors, as in pack.py; any other is float32 as it is
const sessions = {};
let tune = null;

/** The number that each of the 65,536 float16s is. */
function halves() {
  return Float32Array.from({ length: 65536 }, (_, bits) => {
    const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  });
}

/** Write the float32 values of a tensor, a row of a pack's header, to `out` from `to` on. */
function unpack([, count, kind, at, channels], bytes, table, out, to) {
  if (kind === FLOAT16) {
    const coded = new Uint16Array(bytes, at, count);
    for (let k = 0; k < count; k++) out[to + k] = table[coded[k]];
  } else if (kind === ROWS || kind === COLUMNS) {
    const [numbers, steps] = [new Int8Array(bytes, at, count), new Float32Array(bytes, at + 4 * Math.ceil(count / 4), channels)];
    const each = count / channels;
    for (let k = 0; k < count; k++) out[to + k] = numbers[k] * steps[kind === ROWS ? Math.floor(k / each) : k % channels];
  } else out.set(new Float32Array(bytes, at, count), to);
}

/** Return the header of a pack and the bytes behind it. */
function opened(pack) {
  const length = new DataView(pack).getUint32(0, true);
  return { told: JSON.parse(new TextDecoder().decode(new Uint8Array(pack, 4, length))), bytes: pack.slice(4 + length) }; // from a multiple of four on
}

function session({ graph: [at, size] }, bytes, externalData) {
  return ort.InferenceSession.create(new Uint8Array(bytes, at, size), { executionProviders: ["wasm"], graphOptimizationLevel: "all", externalData });
}

/** Return a LoRA's factors by weight: {name: {rank, up: (rank, rows), down: (rank, columns)}} (loras.py). */
function lora(pack, table) {
  const { told: { step, layers }, bytes } = opened(pack);
  const coded = step ? new Int8Array(bytes) : new Uint16Array(bytes);
  const factors = {};
  for (const [name, rank, rows, columns] of layers) factors[name] = { rank, up: new Float32Array(rank * rows), down: new Float32Array(rank * columns) };
  for (let [number, at] = [0, 0]; at < coded.length; number++) {
    for (const [name, rank, rows, columns, scale] of layers) {
      if (number >= rank) continue;
      const { up, down } = factors[name];
      for (let k = 0; k < rows; k++) up[number * rows + k] = scale * (step ? step * coded[at++] : table[coded[at++]]);
      for (let k = 0; k < columns; k++) down[number * columns + k] = step ? step * coded[at++] : table[coded[at++]];
    }
  }
  return factors;
}

/** The denoiser's weights that LoRAs change, as its graph takes them: made anew where other strengths are asked for. */
function makeTuned(rows, bytes, table, loras) {
  const tensors = {};
  let now = null;
  return async (strengths) => {
    if (now === strengths.join()) return tensors;
    for (const row of rows) {
      const [, count, , , , name, [columns, lines]] = row; // of Wᵀ
      let values = new Float32Array(count);
      unpack(row, bytes, table, values, 0);
      const on = loras.map((factors, i) => ({ ...factors[name], strength: strengths[i] })).filter(({ rank, strength }) => rank && strength);
      const ranks = on.reduce((sum, { rank }) => sum + rank, 0);
      if (ranks) {
        const [a, b] = [new Float32Array(columns * ranks), new Float32Array(ranks * lines)];
        let first = 0;
        for (const { rank, up, down, strength } of on) {
          for (let r = 0; r < rank; r++) for (let k = 0; k < columns; k++) a[k * ranks + first + r] = down[r * columns + k];
          for (let k = 0; k < rank * lines; k++) b[first * lines + k] = strength * up[k];
          first += rank;
        }
        values = await run("tuner", { w: tensor("float32", values, [columns, lines]), a: tensor("float32", a, [columns, ranks]), b: tensor("float32", b, [ranks, lines]) });
      }
      tensors[name] = tensor("float32", values, [columns, lines]);
    }
    now = strengths.join();
    return tensors;
  };
}

function tensor(type, values, dims) {
  return new ort.Tensor(type, values, dims);
}

async function run(part, feeds) {
  const found = Object.values(await sessions[part].run(feeds))[0];
  return found.data;
}

const jobs = {
  async load({ wasm, packs, loras }) {
    Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary: wasm });
    ort.env.logLevel = "error";
    const table = halves();
    for (const [name, pack] of Object.entries(packs)) {
      const { told, bytes } = opened(pack);
      const fixed = new Float32Array(told.fixed);
      for (const row of told.tensors) if (row[0] < told.fixed) unpack(row, bytes, table, fixed, row[0]);
      sessions[name] = await session(told, bytes, [{ path: "w", data: new Uint8Array(fixed.buffer) }]);
      if (!told.tuner) continue;
      sessions.tuner = await session({ graph: told.tuner }, bytes, []);
      const tuned = told.tensors.filter(([start]) => start >= told.fixed); // they lie side by side: the others are not kept
      const from = tuned[0][3];
      for (const row of tuned) row[3] -= from;
      tune = makeTuned(tuned, bytes.slice(from), table, loras.map((one) => lora(one, table)));
    }
  },
  text: ({ ids }) => run("text", { ids: tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]) }),
  unet: async ({ x, side, t, context, words, strengths }) => run("unet", {
    ...(await tune(strengths)),
    x: tensor("float32", x, [1, x.length / side ** 2, side, side]), t: tensor("float32", Float32Array.of(t), [1]),
    context: tensor("float32", context, [1, words, context.length / words]),
  }),
  /** RGBA of a picture: x / 2 + 0.5, clamped, times 255, half to even. */
  async decode({ z, side }) {
    const values = await run("decoder", { z: tensor("float32", z, [1, z.length / side ** 2, side, side]) });
    const count = values.length / 3;
    const out = new Uint8ClampedArray(4 * count).fill(255); // such an array rounds half to even
    for (let c = 0; c < 3; c++) for (let k = 0; k < count; k++) out[4 * k + c] = Math.fround(Math.fround(values[c * count + k] / 2 + 0.5) * 255);
    return out;
  },
};

async function answer({ id, job, args }) {
  const started = performance.now();
  try {
    const result = await jobs[job](args);
    postMessage({ id, result, ms: performance.now() - started });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
}

let last = Promise.resolve(); // one job after the other: the next one may want other strengths
onmessage = ({ data }) => (last = last.then(() => answer(data)));
