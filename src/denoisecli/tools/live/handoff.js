/** What a reader takes along: the command that makes the same run, the picture with its settings inside, a film. */

import { element } from "../../media/page/dom.js";

const FRAME_MS = 120;
const LAST_MS = 1400;

/** The command line of a run; `defaults` are left out. loras: [{file, scale}]; fork: {at, to}, where other words begin. */
export function commandOf({ words, negative, seeds, steps, cfg, sampler, fork = null }, defaults, loras, lab = "sample") {
  const parts = ["denoisecli", fork ? "fork" : lab];
  if (words !== defaults.prompt) parts.push("--prompt", quoted(words));
  if (seeds.join() !== defaults.seeds.join()) parts.push(...seeds.flatMap((seed) => ["--seed", seed]));
  if (steps !== defaults.steps) parts.push("--steps", String(steps));
  if (cfg !== defaults.cfg) parts.push("--cfg", String(cfg));
  if (sampler !== defaults.sampler) parts.push("--sampler", sampler);
  if (negative) parts.push("--set", quoted(`negative_prompt=${negative}`));
  if (loras.length) parts.push("--set", quoted(`loras=${JSON.stringify(loras)}`));
  if (fork) parts.push("--at", String(fork.at), "--to", quoted(`prompt=${fork.to}`));
  return parts.join(" ");
}

/** A word as a POSIX shell reads it back. */
export function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

/** Return a PNG's bytes with text chunks {key: text} in front of its pixels; keys and texts are ASCII or Latin-1, else iTXt. */
export function withTexts(png, texts) {
  const chunks = Object.entries(texts).map(([key, text]) => textChunk(key, text));
  const head = 8 + 25; // signature and IHDR
  return new Blob([png.slice(0, head), ...chunks, png.slice(head)], { type: "image/png" });
}

function textChunk(key, text) {
  const plain = /^[\x20-\x7e\n]*$/.test(text);
  const coder = new TextEncoder();
  const body = plain ? coder.encode(`tEXt${key}\0${text}`) : coder.encode(`iTXt${key}\0\0\0\0\0${text}`);
  const out = new Uint8Array(body.length + 8);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length - 4);
  out.set(body, 4);
  view.setUint32(body.length + 4, crc32(body));
  return out;
}

/** Source: ISO 3309, as PNG names it. */
export function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ -1) >>> 0;
}

/** Offer a file for download. */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Whether this browser can record a canvas. */
export function canFilm() {
  return typeof MediaRecorder === "function" && "captureStream" in HTMLCanvasElement.prototype;
}

/** Record frames, a promise of a picture each, all of one size, as a video: {blob, extension}. */
export async function filmed(frames) {
  const kind = ["video/mp4;codecs=avc1.42E01E", "video/webm;codecs=vp9", "video/webm"].find((type) => MediaRecorder.isTypeSupported(type));
  const pictures = [];
  for (const frame of frames) pictures.push(await frame());
  const { width, height } = pictures[0];
  const canvas = element("canvas", { width, height });
  const ink = canvas.getContext("2d", { alpha: false });
  const stream = canvas.captureStream(30);
  const recorder = new MediaRecorder(stream, { mimeType: kind, videoBitsPerSecond: 8_000_000 });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((done) => (recorder.onstop = done));
  ink.drawImage(pictures[0], 0, 0);
  recorder.start();
  for (const [i, picture] of pictures.entries()) {
    for (let shown = 0; shown < (i === pictures.length - 1 ? LAST_MS : FRAME_MS); shown += 33) {
      ink.drawImage(picture, 0, 0);
      await new Promise((done) => setTimeout(done, 33));
    }
  }
  recorder.stop();
  await stopped;
  stream.getTracks().forEach((track) => track.stop());
  return { blob: new Blob(parts, { type: kind }), extension: kind.startsWith("video/mp4") ? "mp4" : "webm" };
}
