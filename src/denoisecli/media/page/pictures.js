/** The run's pictures: each decoded once, then only copied to the screen. */

import { bytesOf } from "./bytes.js";

const AT_ONCE = 8;

/** Decode `coded` {name: base64 WebP, or {as: the name of an equal one}}; `first` ones first. `told(name)` runs after each. */
export function makePictures(coded, first, told) {
  const ready = new Map();
  const real = (name) => coded[name]?.as ?? name;
  const names = [...new Set([...first.map(real).filter((name) => name in coded), ...Object.keys(coded).map(real)])];
  const decode = async (name) => {
    const blob = new Blob([bytesOf(coded[name])], { type: "image/webp" });
    ready.set(name, await createImageBitmap(blob));
    told(name);
  };
  const worker = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) await decode(name);
  };
  const all = Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { get: (name) => ready.get(real(name)), all };
}

/** Copy a picture onto a canvas of its own size; nothing happens while it is not decoded yet. */
export function blit(canvas, picture) {
  if (!picture) return;
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  canvas.getContext("2d", { alpha: false }).drawImage(picture, 0, 0);
}
