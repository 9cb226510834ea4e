/** The prompt as a sentence whose words can be tapped, brighter the louder they speak; the negative prompt apart. */

import { element } from "../../media/page/dom.js";

/**
 * choose(word), over(word or null): one was tapped; the pointer or the focus is on one.
 * Returns {heading, below, tell}: tell(shown, loudness) marks the words that are shown, and how loudly all speak.
 */
export function makeSentence({ prompt, negative, words }, { choose, over }) {
  const buttons = new Map();
  const button = (text, word) => {
    const node = element("button", {
      type: "button", class: `word hue-${words[word].hue}`, text, title: titleOf(words[word]), onclick: () => choose(word),
      onpointerenter: (event) => event.pointerType !== "touch" && over(word), onpointerleave: () => over(null),
    });
    buttons.set(word, [...(buttons.get(word) ?? []), node]);
    return node;
  };
  const said = (parts) => parts.map(([text, word]) => (word === null ? element("span", { class: "spoken", text }) : button(text, word)));
  const heading = element("h1", {}, ...(prompt.length ? said(prompt) : ["no prompt"]));
  const line = (name, parts) => element("p", { class: "kept" }, element("span", { text: `${name}: ` }), ...parts);
  const inside = () => [...buttons.keys()];
  const below = [];
  if (negative.length) below.push(line("keeps away from", said(negative)));
  const others = words.map((_, word) => word).filter((word) => !inside().includes(word));
  if (others.length) {
    below.push(line("also looked for", others.flatMap((word) => [button(words[word].text, word), " "])));
  }
  const tell = (shown, loudness) => buttons.forEach((nodes, word) => nodes.forEach((node) => {
    node.setAttribute("aria-pressed", String(shown.includes(word)));
    node.style.setProperty("--loud", `${Math.round(100 * loudness[word])}%`);
  }));
  return { heading, below, tell };
}

function titleOf({ silent, found, begins, label: text }) {
  if (silent) return `${text}: hardly speaks`;
  if (found === null) return `${text}: has no place`;
  return found <= begins ? `${text}: in its place from the start` : `${text}: found its place by state ${Number(found.toFixed(1))}`;
}
