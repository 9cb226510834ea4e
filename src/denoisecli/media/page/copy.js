/** The command that made the run, to be copied with one click. */

import { element } from "./dom.js";

/** Return a button that shows `command` and copies it. */
export function makeCommand(command) {
  const told = element("span", { class: "told", text: "copy", "aria-live": "polite" });
  const onclick = async () => {
    told.textContent = (await copied(command)) ? "copied" : "not allowed here";
    setTimeout(() => (told.textContent = "copy"), 1600);
  };
  const title = `Copy: ${command}`;
  return element("button", { type: "button", class: "command", title, onclick }, element("code", { text: command }), told);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "hidden", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
