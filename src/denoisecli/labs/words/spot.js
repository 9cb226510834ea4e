/** A place in the picture that is asked for: under the pointer, tapped, or moved by w, a, s and d; Escape leaves it. */

import { element } from "../../media/page/dom.js";

/**
 * change({x, y, seed} or null): x, y in 0..1; seed: of the panel, null where all are of one. cells: [rows, columns].
 * Returns {follow, draw, keys}: follow(panel, seed); draw(panels, at) puts a ring there.
 */
export function makeSpot(change, [rows, columns]) {
  let [at, stays] = [null, false];
  const set = (found, held) => {
    [at, stays] = [found, held];
    change(found);
  };
  const follow = ({ canvas, node }, seed) => {
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      const share = (value, from, size) => Math.min(0.9999, Math.max(0, (value - from) / Math.max(1, size)));
      return { x: share(event.clientX, box.left, box.width), y: share(event.clientY, box.top, box.height), seed };
    };
    node.append(element("i", { class: "spot", hidden: "" }));
    canvas.addEventListener("pointermove", (event) => event.pointerType !== "touch" && set(place(event), false));
    canvas.addEventListener("pointerdown", (event) => event.pointerType === "touch" && set(place(event), true));
    canvas.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && !stays && set(null, false));
  };
  const draw = (panels, where) => panels.forEach(({ node }, index) => {
    const ring = node.querySelector(".spot");
    ring.hidden = where === null || (where.seed !== null && where.seed !== index);
    if (where === null) return;
    ring.style.setProperty("--x", String(where.x));
    ring.style.setProperty("--y", String(where.y));
  });
  const by = (across, down) => () => {
    const { x, y, seed } = at ?? { x: 0.5, y: 0.5, seed: null };
    const inside = (value) => Math.min(0.9999, Math.max(0, value));
    set({ x: inside(x + across / columns), y: inside(y + down / rows), seed }, true);
  };
  return { follow, draw, keys: { w: by(0, -1), s: by(0, 1), a: by(-1, 0), d: by(1, 0), Escape: () => set(null, false) } };
}
