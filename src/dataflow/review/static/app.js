// The page: a list of captions, the chosen one beside its picture, and keys for everything.

import * as api from "./api.js";
import * as ask from "./ask.js";
import * as bulk from "./bulk.js";
import * as detail from "./detail.js";
import { $, element, facet, say } from "./elements.js";
import * as list from "./list.js";
import { hooks, inTurn, isSaving, send, sendUnsaved, undoLatest } from "./saving.js";
import { itemOf } from "./state.js";
import { isTyping, listen, whileItChanges } from "./typeahead.js";

const KEYS = {
  j: ["next", () => list.move(1)],
  k: ["previous", () => list.move(-1)],
  n: ["next that needs you", list.nextOpen],
  a: ["accept", () => decide("accept")],
  e: ["edit", () => edit()],
  r: ["reject", () => decide("reject")],
  u: ["undo", () => undo()],
  z: ["zoom", () => document.body.classList.toggle("zoomed")],
  "/": ["filter", () => $("filter").focus()],
  q: ["ask a model again", ask.open],
  b: ["change all that are filtered", bulk.open],
  "?": ["this help", () => $("help").showModal()],
};

const load = () => {
  bulk.forget();
  return list.load(showCounts);
};

function showCounts({ count, facets }) {
  $("count").textContent = `${count.toLocaleString("en")} captions`;
  const has = (name, value) => $("filter").value.split(/\s+/).includes(`${name}=${quoted(value)}`);
  $("facets").replaceChildren(
    ...Object.entries(facets)
      .filter(([, values]) => Object.keys(values).length)
      .map(([name, values]) => facet(name, values, has, toggle)),
  );
}

const quoted = (value) => (/\s/.test(value) ? `"${value}"` : value);

function toggle(name, value) {
  const term = `${name}=${quoted(value)}`;
  const line = $("filter").value;
  $("filter").value = line.includes(term)
    ? line.replace(term, "").replace(/\s+/g, " ").trim()
    : `${line} ${term}`.trim();
  load();
}

function edit() {
  if (!detail.shownItem()) return;
  $("text").focus();
}

/** Keep a decision about the shown caption and go to the next; changed words are kept first. */
function decide(decision) {
  const item = detail.shownItem();
  if (!item) return;
  const text = detail.typedText();
  const now = text === null ? item : send(item, "edit", text);
  if (text === null || decision === "reject") send(now, decision);
  detail.show({ ...(itemOf(item.id) || now) });
  list.move(1);
}

/** An earlier text becomes the caption; what was typed meanwhile is kept before it. */
function take(id, text) {
  const item = detail.shownItem();
  if (!item || item.id !== id) return;
  const typed = detail.typedText();
  const now = typed === null ? item : send(item, "edit", typed);
  detail.show({ ...send(now, "edit", text) });
}

/** After the changes before it; the keys that follow wait for the caption that it leads to. */
function undo() {
  list.leave();
  whileItChanges(() =>
    inTurn(async () => {
      const ids = await undoLatest();
      await list.refresh(ids);
      if (ids.length) await list.reach(ids[0]);
    }),
  );
}

/** A caption was not saved: back to it, unless something else was begun meanwhile. */
function onUnsaved(id) {
  const item = itemOf(id);
  if (item) list.put(item);
  if (detail.typedText() === null && document.activeElement !== $("text")) list.choose(id);
}

function hear(event) {
  const typing = isTyping(event.target);
  if (event.key === "Escape" && typing) {
    event.preventDefault(); // a search field would be emptied, and the list would show another view
    return event.target.blur();
  }
  if (event.target === $("text") && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    $("text").blur();
    return decide("accept");
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const arrows = { ArrowDown: "j", ArrowUp: "k" };
  const found = KEYS[arrows[event.key] || event.key];
  if (!found) return;
  event.preventDefault();
  found[1]();
}

/** Filter as it is typed, a moment after the last key; other keys wait for what it finds. */
function filterAsTyped() {
  let due = null;
  let done = () => {};
  const now = () => {
    clearTimeout(due);
    due = null;
    load();
    done();
  };
  $("filter").addEventListener("input", () => {
    if (due === null) whileItChanges(() => new Promise((resolve) => (done = resolve)));
    clearTimeout(due);
    due = setTimeout(now, 200);
  });
  $("filter").addEventListener("blur", () => due !== null && now());
  $("filters").addEventListener("submit", (event) => (event.preventDefault(), now()));
}

function connect() {
  $("sort").addEventListener("change", load);
  $("more").addEventListener("click", list.more);
  $("accept").addEventListener("click", () => decide("accept"));
  $("reject").addEventListener("click", () => decide("reject"));
  $("save").addEventListener("click", () => decide("accept"));
  $("undo").addEventListener("click", undo);
  $("zoom").addEventListener("click", KEYS.z[1]);
  $("help-button").addEventListener("click", KEYS["?"][1]);
  $("ask-form").addEventListener("submit", ask.price);
  $("ask-form").addEventListener("input", ask.forget);
  $("ask-go").addEventListener("click", ask.go);
  $("ask-take").addEventListener("click", ask.takeAll);
  $("bulk-form").addEventListener("submit", bulk.preview);
  $("bulk-form").addEventListener("input", bulk.forget);
  $("bulk-apply").addEventListener("click", () => bulk.apply(load));
  window.addEventListener("beforeunload", (event) => {
    list.leave();
    if (isSaving()) event.preventDefault();
  });
  filterAsTyped();
  listen(hear);
}

async function showTitle() {
  const about = await api.about();
  $("title").textContent = about.title;
  document.title = `${about.title} · review`;
}

function start() {
  const given = new URLSearchParams(location.hash.slice(1));
  $("filter").value = given.get("filter") || "";
  $("sort").value = given.get("sort") || "queue";
  $("keys").append(
    ...Object.entries(KEYS).map(([key, [words]]) =>
      element("tr", {}, element("td", {}, element("kbd", {}, key)), element("td", {}, words)),
    ),
  );
  detail.hooks.onTake = take;
  Object.assign(hooks, { put: list.put, refresh: list.refresh, onUnsaved });
  connect();
  load();
  for (const begin of [showTitle, ask.begin]) begin().catch((error) => say(error.message, true));
  let isLost = false;
  api.news(
    (change) => {
      list.refresh(change.items);
      if (change.ask) ask.look().catch((error) => say(error.message, true));
    },
    (lost) => {
      if (lost) say("the server is gone; nothing is saved until it is back", true);
      else if (isLost) say("the server is back");
      if (!lost) sendUnsaved(itemOf);
      isLost = Boolean(lost);
    },
  );
}

start();
