/** The keyboard: one handler for the whole page. */

/**
 * bindings: {key: action(event)}; a key is `event.key`, letters in lower case. Sliders keep their own arrows, buttons and
 * menus their space, a search field its letters, other fields all they are given; a slider marked data-page-keys leaves all to the page.
 */
export function listen(bindings) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = bindings[key];
    if (!action || takenBy(event.target, key)) return;
    event.preventDefault();
    action(event);
  });
}

const OF_SLIDERS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];
const OF_BUTTONS = [" ", "Enter"];

function takenBy(target, key) {
  const slider = target.matches?.("input[type=range]:not([data-page-keys])");
  const button = target.matches?.("button, select, a, summary");
  const writing = target.matches?.("textarea, input[type=text], input[type=number]");
  const typing = writing || (target.matches?.("input[type=search]") && key.length === 1);
  return typing || (slider && OF_SLIDERS.includes(key)) || (button && OF_BUTTONS.includes(key));
}
