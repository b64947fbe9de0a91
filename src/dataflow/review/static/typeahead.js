// Keys that are pressed while the list is still on its way wait for it, and then do what they would
// have done: a fast typist never acts on a caption that is about to go.

import { $ } from "./elements.js";

const waiting = [];
let changing = 0;
let onKey = () => {};

export const isTyping = (target) => /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);

/** Keys wait until `work` is done. */
export async function whileItChanges(work) {
  changing += 1;
  try {
    return await work();
  } finally {
    changing -= 1;
    replay();
  }
}

export function listen(handler) {
  onKey = handler;
  document.addEventListener("keydown", (event) => {
    if (!mustWait(event)) return onKey(event);
    event.preventDefault();
    const { key, ctrlKey, metaKey, altKey } = event;
    waiting.push({ key, ctrlKey, metaKey, altKey });
  });
}

function mustWait(event) {
  if (!changing || isTyping(event.target) || document.querySelector("dialog[open]")) return false;
  if (/^(Shift|Control|Alt|Meta|Tab)$/.test(event.key)) return false;
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  return waiting.length > 0 || (isPlain && !/^(Enter| )$/.test(event.key));
}

function replay() {
  while (!changing && waiting.length) {
    const pressed = waiting.shift();
    const target = document.activeElement || document.body;
    const event = { ...pressed, target, preventDefault() {} };
    if (isTyping(target) && !isCommand(pressed)) type(target, pressed);
    else onKey(event);
  }
}

const isCommand = ({ key, ctrlKey, metaKey }) =>
  key === "Escape" || (key === "Enter" && (ctrlKey || metaKey));

/** What a text field does with a key. */
function type(field, { key, ctrlKey, metaKey }) {
  if (ctrlKey || metaKey) {
    if (key.toLowerCase() === "a") field.select();
    return;
  }
  const { selectionStart: from, selectionEnd: to } = field;
  if (key === "Backspace") field.setRangeText("", from === to ? Math.max(0, from - 1) : from, to, "end");
  else if (key === "Enter" && field === $("text")) field.setRangeText("\n", from, to, "end");
  else if ([...key].length === 1) field.setRangeText(key, from, to, "end");
  else return;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
