/** What the file carries beside text: bytes written as windows-1252 with an escape, gzipped, checked by their hash. */

/** The letters of the bytes 128 … 159 in windows-1252, as HTML reads it; the others are their own. */
const HIGH = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";

/** Return the bytes that `text` stands for: letter − 42, and behind "=" another 64 less (page.py, written). */
export function unwritten(text) {
  const byteOf = new Uint8Array(65536);
  for (let byte = 0; byte < 256; byte++) byteOf[byte >= 128 && byte < 160 ? HIGH.charCodeAt(byte - 128) : byte] = byte;
  const out = new Uint8Array(text.length);
  let count = 0;
  for (let k = 0; k < text.length; k++) {
    let byte = byteOf[text.charCodeAt(k)];
    if (byte === 61) byte = byteOf[text.charCodeAt(++k)] - 64;
    out[count++] = byte - 42;
  }
  return out.subarray(0, count);
}

/** Return the ArrayBuffer that was stored in the element called `id`. Throws where the file was cut off on its way. */
export async function stored(id, { sha256, length }) {
  const node = document.getElementById(id);
  const bytes = node ? unwritten(node.textContent) : new Uint8Array(0);
  node?.remove(); // its text takes two bytes a letter
  const whole = bytes.length === length && (!crypto.subtle || (await digest(bytes)) === sha256); // no hashes over plain http
  if (!whole) throw new Error(`This file did not arrive whole: its part "${id}" has ${bytes.length} of ${length} bytes, or others. Ask for it again.`);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
