/** Playing: one state after the other, a rest at the end, then from the start. */

/** advance() moves on by one and returns how many milliseconds to stay there. Returns {toggle, stop, playing}. */
export function makePlayer(advance, told) {
  let timer = null;
  const playing = () => timer !== null;
  const step = () => {
    timer = setTimeout(step, advance());
  };
  const stop = () => {
    if (!playing()) return;
    clearTimeout(timer);
    timer = null;
    told(false);
  };
  const toggle = () => {
    if (playing()) return stop();
    told(true);
    step();
  };
  return { toggle, stop, playing };
}
