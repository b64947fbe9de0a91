// The chosen caption beside its picture. Its text stands there at once, from the list; what the
// server adds later fills the history and never replaces words that a person has begun to change.

import * as api from "./api.js";
import { $, element } from "./elements.js";
import { state } from "./state.js";

let shown = null; // { item, value }: the caption and its text as the text field holds it
let asked = null; // ends the request for the history of the caption before

export const shownItem = () => shown && shown.item;

/** The text that a person made of the shown one; null where it is as it was. */
export const typedText = () =>
  shown && $("text").value !== shown.value ? $("text").value : null;

const isBusy = () => typedText() !== null || document.activeElement === $("text");

export function clear() {
  shown = null;
  $("chosen").hidden = true;
  $("nothing").hidden = false;
}

/** Show a caption, with the words that were typed for it and not saved, if there are any. */
export function show(item) {
  const isNew = !shown || shown.item.id !== item.id;
  $("chosen").hidden = false;
  $("nothing").hidden = true;
  $("text").value = item.text;
  shown = { item, value: $("text").value };
  const unsaved = state.unsaved.get(item.id);
  if (unsaved && unsaved.text !== null) $("text").value = unsaved.text;
  $("where").textContent = [item.source, item.column, item.model].filter(Boolean).join(" · ");
  note(unsaved && unsaved.conflict ? item.text : null);
  if (isNew) {
    showPicture(item);
    $("history").replaceChildren();
  }
  $("verdicts").replaceChildren(
    ...item.kinds.map((kind, at) => element("li", {}, `${kind}: ${item.reasons[at]}`)),
  );
}

/** A new element each time: the picture of the caption before must not stay until this one is here. */
function showPicture(item) {
  const source = item.pictures ? { src: api.picture(item.id, "large") } : {};
  const alt = `Picture of ${item.source}`;
  $("picture").replaceWith(element("img", { id: "picture", alt, ...source }));
}

const note = (text) =>
  $("meanwhile").replaceChildren(
    ...(text === null ? [] : ["It was changed meanwhile and now reads: ", element("q", {}, text)]),
  );

/** Take in what the server has by now. */
export function update(item) {
  if (!shown || shown.item.id !== item.id) return;
  if (!isBusy()) return show(item);
  const unsaved = state.unsaved.get(item.id);
  if (unsaved && unsaved.conflict) {
    shown = { ...shown, item };
    note(item.text);
  } else if (item.text !== shown.item.text) {
    note(item.text);
  }
}

/** Set by the page: what taking an earlier answer does. */
export const hooks = { onTake: () => {} };

/** Every text that the caption had or was offered: decisions, answers turned down, answers to asks. */
function histories(item) {
  const decisions = item.history.map((one) => ({
    time: one.time,
    text: one.text,
    words: `${one.author}: ${one.decision} `,
  }));
  const answers = item.answers.map((one) => ({
    time: one.answered_at,
    text: one.text,
    words: `${one.model || "a model"}${one.kind ? `, turned down (${one.reason || one.kind})` : ""}: `,
  }));
  const all = [...decisions, ...answers].sort((a, b) => a.time - b.time);
  const machine = { time: null, text: item.machine, words: "the caption as it came: " };
  return [machine, ...all].map(({ time, text, words }) =>
    element(
      "li",
      {},
      time === null ? words : `${new Date(time * 1000).toLocaleString()} ${words}`,
      ...(text === null ? [] : [element("q", {}, text), " ", taking(item, text)]),
    ),
  );
}

const taking = (item, text) =>
  text === item.text || text === ""
    ? ""
    : element("button", { type: "button", onclick: () => hooks.onTake(item.id, text) }, "Take");

/** Ask for the history; an answer for a caption that is no longer shown is dropped. */
export async function fillHistory() {
  if (!shown) return;
  if (asked) asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const { id } = shown.item;
  let item;
  try {
    item = await api.item(id, signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  if (signal.aborted || !shown || shown.item.id !== id) return;
  $("history").replaceChildren(...histories(item));
}
