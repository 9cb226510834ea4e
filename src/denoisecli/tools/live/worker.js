// Runs parts of the model, off the page's thread. A classic script behind ONNX Runtime's, which makes `ort`: module
// workers do not start from a file that was opened from disk.
const [FLOAT16, ROWS, COLUMNS] = [0, 1, 2]; // kinds of tensors, as in pack.py; any other is float32 as it is
const sessions = {};

/** The number that each of the 65,536 float16s is. */
function halves() {
  return Float32Array.from({ length: 65536 }, (_, bits) => {
    const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  });
}

/** Return the float32 weights of a part. */
function weights({ floats, tensors }, bytes) {
  const [table, out] = [halves(), new Float32Array(floats)];
  for (const [start, count, kind, at, channels] of tensors) {
    if (kind === FLOAT16) {
      const coded = new Uint16Array(bytes, at, count);
      for (let k = 0; k < count; k++) out[start + k] = table[coded[k]];
    } else if (kind === ROWS || kind === COLUMNS) {
      const [numbers, steps] = [new Int8Array(bytes, at, count), new Float32Array(bytes, at + 4 * Math.ceil(count / 4), channels)];
      const each = count / channels;
      for (let k = 0; k < count; k++) out[start + k] = numbers[k] * steps[kind === ROWS ? Math.floor(k / each) : k % channels];
    } else out.set(new Float32Array(bytes, at, count), start);
  }
  return out;
}

function tensor(type, values, dims) {
  return new ort.Tensor(type, values, dims);
}

async function run(part, feeds) {
  const found = Object.values(await sessions[part].run(feeds))[0];
  return found.data;
}

const jobs = {
  async load({ wasm, packs }) {
    Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary: wasm });
    ort.env.logLevel = "error";
    for (const [name, pack] of Object.entries(packs)) {
      const length = new DataView(pack).getUint32(0, true);
      const part = JSON.parse(new TextDecoder().decode(new Uint8Array(pack, 4, length)));
      const bytes = pack.slice(4 + length); // from a multiple of four on
      const [at, size] = part.graph;
      sessions[name] = await ort.InferenceSession.create(new Uint8Array(bytes, at, size), {
        executionProviders: ["wasm"], graphOptimizationLevel: "all", externalData: [{ path: "w", data: new Uint8Array(weights(part, bytes).buffer) }],
      });
    }
  },
  text: ({ ids }) => run("text", { ids: tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]) }),
  unet: ({ x, side, t, context, words }) => run("unet", {
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

onmessage = async ({ data: { id, job, args } }) => {
  const started = performance.now();
  try {
    const result = await jobs[job](args);
    postMessage({ id, result, ms: performance.now() - started });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
};
