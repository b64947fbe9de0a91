// The list of captions, a page at a time, and which of them is chosen.

import * as api from "./api.js";
import { $, card, say } from "./elements.js";
import * as detail from "./detail.js";
import { send } from "./saving.js";
import { PAGE, indexOf, itemOf, state } from "./state.js";
import { whileItChanges } from "./typeahead.js";

const AHEAD = 20; // captions before the end of the list at which the next page is fetched
let loading = 0;
let counting = null; // ends the request for the counts of the view before
let fetching = null;

export const view = () => ({ filter: $("filter").value, sort: $("sort").value });

const asCard = (item) =>
  card(item, api.picture(item.id, "small"), state.unsaved.has(item.id), (id) => choose(id));

/** Fetch the first page of the view; `onCounts` gets the facets, which take longer. */
export function load(onCounts) {
  const mine = ++loading;
  history.replaceState(null, "", `#${new URLSearchParams(view())}`);
  if (counting) counting.abort();
  return whileItChanges(async () => {
    const found = await said(() => api.items(view(), null));
    if (!found || mine !== loading) return;
    state.items = found.items;
    state.ended = found.items.length < PAGE;
    $("list").replaceChildren(...state.items.map(asCard));
    $("empty").hidden = state.items.length > 0;
    $("more").hidden = state.ended;
    if (document.activeElement === $("text")) mark();
    else choose(state.items.length ? state.items[0].id : null, false);
    counted(mine, onCounts);
  });
}

/** Count for the view; the server stops counting for the view before. */
async function counted(mine, onCounts) {
  if (counting) counting.abort();
  counting = new AbortController();
  const { signal } = counting;
  const found = await said(() => api.count(view(), signal));
  if (found && mine === loading) onCounts(found);
}

async function said(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
    return null;
  }
}

/** Fetch the next page; one fetch at a time. */
export function more() {
  if (!fetching) fetching = nextPage().finally(() => (fetching = null));
  return fetching;
}

async function nextPage() {
  const mine = loading;
  const last = state.items.at(-1);
  if (!last || state.ended) return;
  const found = await said(() => api.items(view(), last.id));
  if (!found || mine !== loading) return;
  const known = new Set(state.items.map((item) => item.id));
  const fresh = found.items.filter((item) => !known.has(item.id));
  state.items.push(...fresh);
  state.ended = found.items.length < PAGE;
  $("more").hidden = state.ended;
  $("list").append(...fresh.map(asCard));
}

function mark() {
  for (const one of $("list").children)
    one.setAttribute("aria-current", String(Number(one.dataset.id) === state.chosen));
}

/** Put a caption into the list as it is now, and onto the screen where it is the chosen one. */
export function put(item) {
  const at = indexOf(item.id);
  if (at >= 0) {
    state.items[at] = item;
    const made = asCard(item);
    made.setAttribute("aria-current", String(item.id === state.chosen));
    const before = $("list").children[at];
    const had = document.activeElement === before;
    before.replaceWith(made);
    if (had) made.focus();
  }
  detail.update(item);
}

/** Show a caption; what was typed for the one before is saved. */
export function choose(id, scroll = true) {
  if (id !== null && id === state.chosen && detail.shownItem()) {
    mark();
    return detail.update(itemOf(id) || detail.shownItem());
  }
  leave();
  state.chosen = id;
  mark();
  const item = itemOf(id);
  if (!item) return detail.clear();
  if (scroll) $("list").querySelector(`[data-id="${id}"]`)?.scrollIntoView({ block: "nearest" });
  detail.show(item);
  said(detail.fillHistory);
  const at = indexOf(id);
  if (at + AHEAD >= state.items.length) more();
  preload(state.items[at + 1]);
}

function preload(item) {
  if (item && item.pictures) new Image().src = api.picture(item.id, "large");
}

/**
 * Save what was typed for the shown caption, but not over words that somebody else wrote since, and
 * not twice what the server did not take.
 */
export function leave() {
  const item = detail.shownItem();
  const text = detail.typedText();
  if (text === null) return;
  const unsaved = state.unsaved.get(item.id);
  if (unsaved && (unsaved.conflict || unsaved.text === text)) unsaved.text = text;
  else send(item, "edit", text);
}

export function move(step) {
  const at = indexOf(state.chosen);
  const next = state.items[Math.max(0, at + step)];
  if (next) return choose(next.id);
  leave();
  if (state.ended) return;
  whileItChanges(async () => {
    await more();
    const found = state.items[indexOf(state.chosen) + step];
    if (found) choose(found.id);
  });
}

const needsYou = (item) =>
  (!item.decision && item.kinds.length > 0) || state.unsaved.has(item.id);

export function nextOpen() {
  const found = state.items.slice(indexOf(state.chosen) + 1).find(needsYou);
  if (found) return choose(found.id);
  if (state.ended) return say("nothing more needs you here");
  whileItChanges(async () => {
    for (;;) {
      const from = state.items.length;
      await more();
      const next = state.items.slice(from).find(needsYou);
      if (next) return choose(next.id);
      if (state.ended || state.items.length === from) return say("nothing more needs you here");
    }
  });
}

/** Fetch captions again that changed on the server. */
export async function refresh(ids) {
  const wanted = ids.filter((id) => itemOf(id) || id === state.chosen).slice(0, 200);
  const found = wanted.length ? await said(() => api.itemsOf(wanted)) : null;
  for (const item of found ? found.items : []) {
    const known = itemOf(item.id);
    if (state.saving.has(item.id) || (known && known.version > item.version)) continue;
    state.confirmed.delete(item.id);
    put(item);
    if (item.id === state.chosen) said(detail.fillHistory);
  }
}

/** Choose a caption that may not be among the loaded ones. */
export async function reach(id) {
  if (itemOf(id)) return choose(id);
  const found = await said(() => api.itemsOf([id]));
  if (!found || !found.items.length) return;
  leave();
  state.chosen = id;
  mark();
  detail.show(found.items[0]);
  said(detail.fillHistory);
}
