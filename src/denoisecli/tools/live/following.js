/** Which state is shown of a run that goes on. */

const LAG = 8; // states that a picture on the screen may be behind the run

/** The newest state that every panel has. */
export function newestOf(panels) {
  return Math.max(0, Math.min(...panels.map(({ lane }) => (lane.done ? lane.wish.steps : lane.states.length - 2))));
}

/** The last state whose pictures are drawn in full, from `before` on, or the newest where that is long ago. isDrawn(k). */
export function following({ newest, before, isDrawn }) {
  for (let k = newest; k >= Math.max(before, newest - LAG); k--) if (isDrawn(k)) return k;
  return newest <= before + LAG ? before : newest; // its picture is on the way
}
