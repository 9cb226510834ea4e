/** What the page carries as base64: pictures (WebP) and arrays. */

/** Return the bytes of base64 text. */
export function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/** Return the embedded array `entry` {dtype, shape, data} as a typed array. Numbers are little-endian. */
export function arrayOf(entry) {
  const { buffer } = bytesOf(entry.data);
  const kinds = { uint8: Uint8Array, int16: Int16Array, float32: Float32Array };
  return new kinds[entry.dtype](buffer);
}
