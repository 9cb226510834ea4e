/** What is being looked at, in one plain object; many changes between two frames are drawn once. */

/** Return {state, change}; `render(state)` runs at the next frame after a change. */
export function makeStore(initial, render) {
  const state = { ...initial };
  let asked = false;
  const draw = () => {
    asked = false;
    render(state);
  };
  const change = (patch = {}) => {
    Object.assign(state, patch);
    if (asked) return;
    asked = true;
    requestAnimationFrame(draw);
  };
  return { state, change };
}
