/** Elements without markup: every word of a run goes in as text, never as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** Return an element; `attributes`: text, on<event> handlers, colour (of its role), or plain ones (null leaves one out). */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (name === "text") node.textContent = value;
    else if (name === "colour") node.style.setProperty("--role", value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/**
 * Call `redraw` whenever the node's size changes. Returns a function to call when its content does: that redraws, and
 * does so again where the layout that is under way gives the node another size, of which an observer would not tell.
 */
export function keepFitted(node, redraw) {
  let drawn = null;
  const size = () => `${node.clientWidth}×${node.clientHeight}`;
  const now = () => {
    drawn = size();
    redraw();
  };
  new ResizeObserver(now).observe(node);
  document.fonts.ready.then(now);
  return () => {
    now();
    requestAnimationFrame(() => size() !== drawn && now());
  };
}

/** Call `handler` with the shares (0..1) of the node's width and height under the pointer, while it is held down. */
export function draggable(node, handler) {
  const clamped = (value) => Math.min(1, Math.max(0, value));
  const tell = (event) => {
    const box = node.getBoundingClientRect();
    handler(clamped((event.clientX - box.left) / Math.max(1, box.width)), clamped((event.clientY - box.top) / Math.max(1, box.height)));
  };
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    node.setPointerCapture(event.pointerId);
    tell(event);
  });
  node.addEventListener("pointermove", (event) => {
    if (node.hasPointerCapture(event.pointerId)) tell(event);
  });
  return node;
}
