/** Which words are shown: one, or two that are compared. */

/** The words of a state: the one pointed at, else those that were chosen. */
export const shown = ({ chosen, over }) => (over === null ? chosen : [over]);

/** {choose, showTwo, step}, which change the chosen words. get() -> the page's state; change(changes) changes it. */
export function makeChoice(data, { get, change }) {
  const { words } = data;
  /** Of two words the older one gives way. */
  const choose = (word) => {
    const { chosen, two } = get();
    if (!two) return change({ chosen: [word], over: null });
    const rest = chosen.filter((other) => other !== word);
    change({ chosen: [...rest.slice(-1), word], over: null });
  };
  const showTwo = (two) => {
    const { chosen } = get();
    change({ two, chosen: two ? pairOf(chosen, data) : chosen.slice(-1) });
  };
  const step = (by) => choose((get().chosen[get().chosen.length - 1] + words.length + by) % words.length);
  return { choose, showTwo, step };
}

/** The word at hand, and beside it the one that shares its place most, else the next. */
function pairOf(chosen, { words, pairs }) {
  const one = chosen[chosen.length - 1];
  const [pair] = pairs.filter((row) => row.words.includes(one)).sort((a, b) => b.overlap.at(-1) - a.overlap.at(-1));
  const other = pair ? pair.words.find((word) => word !== one) : (one + 1) % words.length;
  return other === one ? [one] : [other, one];
}
