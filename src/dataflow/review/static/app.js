// The page: a list of captions, the chosen one beside its picture, and keys for everything.

import * as api from "./api.js";
import { $, card, difference, element, facet } from "./elements.js";

const state = { items: [], chosen: null, ended: false, actions: [], loading: 0 };

const KEYS = {
  j: ["next", () => move(1)],
  k: ["previous", () => move(-1)],
  n: ["next that needs you", nextOpen],
  a: ["accept", () => decide("accept")],
  e: ["edit", () => $("text").focus()],
  r: ["reject", () => decide("reject")],
  u: ["undo", undo],
  z: ["zoom", () => document.body.classList.toggle("zoomed")],
  "/": ["filter", () => $("filter").focus()],
  b: ["change all that are filtered", openBulk],
  "?": ["this help", () => $("help").showModal()],
};

const view = () => ({ filter: $("filter").value, sort: $("sort").value });

function say(message, failed = false) {
  $("saved").textContent = message;
  $("saved").classList.toggle("failed", failed);
}

async function guarded(work) {
  try {
    return await work();
  } catch (error) {
    say(error.message, true);
    return null;
  }
}

async function load() {
  const mine = ++state.loading;
  history.replaceState(null, "", `#${new URLSearchParams(view())}`);
  const found = await guarded(() => api.items(view(), null));
  if (!found || mine !== state.loading) return;
  state.items = found.items;
  state.ended = found.items.length < 50;
  $("list").replaceChildren(...state.items.map(asCard));
  $("empty").hidden = state.items.length > 0;
  $("more").hidden = state.ended;
  await choose(state.items.length ? state.items[0].id : null, false);
  const counted = await guarded(() => api.count(view()));
  if (counted && mine === state.loading) showCounts(counted);
}

async function more() {
  const last = state.items.at(-1);
  if (!last || state.ended) return;
  const found = await guarded(() => api.items(view(), last.id));
  if (!found) return;
  const known = new Set(state.items.map((item) => item.id));
  const fresh = found.items.filter((item) => !known.has(item.id));
  state.items.push(...fresh);
  state.ended = found.items.length < 50;
  $("more").hidden = state.ended;
  $("list").append(...fresh.map(asCard));
}

const asCard = (item) => card(item, api.picture(item.id, "small"), (id) => choose(id));

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

async function choose(id, scroll = true) {
  state.chosen = id;
  for (const one of $("list").children)
    one.setAttribute("aria-current", String(Number(one.dataset.id) === id));
  $("chosen").hidden = id === null;
  $("nothing").hidden = id !== null;
  if (id === null) return;
  if (scroll)
    $("list").querySelector(`[data-id="${id}"]`)?.scrollIntoView({ block: "nearest" });
  const item = await guarded(() => api.item(id));
  if (item && state.chosen === id) showItem(item);
}

function showItem(item) {
  state.seen = item.text;
  $("picture").src = item.pictures ? api.picture(item.id, "large") : "";
  $("picture").alt = `Picture of ${item.source}`;
  $("where").textContent = [item.source, item.column, item.model].filter(Boolean).join(" · ");
  $("text").value = item.text;
  $("verdicts").replaceChildren(
    ...item.kinds.map((kind, at) => element("li", {}, `${kind}: ${item.reasons[at]}`)),
  );
  const lines = item.history.map((one) =>
    element(
      "li",
      {},
      `${new Date(one.time * 1000).toLocaleString()} ${one.author}: ${one.decision} `,
      one.text === null ? null : element("q", {}, one.text),
    ),
  );
  const machine = element("li", {}, "the caption as it came: ", element("q", {}, item.machine));
  $("history").replaceChildren(machine, ...lines);
}

async function decide(decision, text = null) {
  const id = state.chosen;
  if (id === null) return;
  const change = { id, decision, seen: state.seen, ...(text === null ? {} : { text }) };
  say("saving …");
  const applied = await guarded(() => api.decide([change]));
  if (!applied) return;
  if (applied.conflicts.length) {
    say("somebody changed this caption meanwhile; look again", true);
    await refresh([id]);
    return;
  }
  state.actions.push(applied.action);
  say("saved");
  await refresh([id]);
  move(1);
}

async function undo() {
  const action = state.actions.pop();
  if (action === undefined) return say("nothing to undo");
  const applied = await guarded(() => api.undo(action));
  if (!applied) return state.actions.push(action);
  say(`undone: ${applied.items.length}`);
  await refresh(applied.items);
  if (applied.items.length) await choose(applied.items[0]);
}

async function refresh(ids) {
  for (const id of ids.slice(0, 200)) {
    const at = state.items.findIndex((item) => item.id === id);
    if (at < 0) continue;
    const item = await guarded(() => api.item(id));
    if (!item) return;
    state.items[at] = item;
    const made = asCard(item);
    made.setAttribute("aria-current", String(id === state.chosen));
    $("list").children[at].replaceWith(made);
    if (id === state.chosen && document.activeElement !== $("text")) showItem(item);
  }
}

async function move(step) {
  const at = state.items.findIndex((item) => item.id === state.chosen);
  if (at + step >= state.items.length) await more();
  const next = state.items[Math.max(0, at + step)];
  if (next) await choose(next.id);
}

async function nextOpen() {
  let at = state.items.findIndex((item) => item.id === state.chosen) + 1;
  for (;;) {
    const found = state.items.slice(at).find((item) => !item.decision && item.kinds.length);
    if (found) return choose(found.id);
    at = state.items.length;
    if (state.ended) return say("nothing more needs you here");
    await more();
  }
}

function openBulk() {
  $("bulk").open = true;
  $("bulk-find").focus();
}

const change = () => ({
  kind: $("bulk-kind").value,
  find: $("bulk-find").value,
  text: $("bulk-text").value,
});

async function previewBulk(event) {
  event.preventDefault();
  const found = await guarded(() => api.preview(view(), change()));
  if (!found) return;
  $("bulk-count").textContent = `${found.count.toLocaleString("en")} captions would change`;
  $("bulk-examples").replaceChildren(
    ...found.examples.map((one) => element("li", {}, difference(one.words))),
  );
  $("bulk-apply").disabled = found.count === 0;
}

async function applyBulk() {
  $("bulk-apply").disabled = true;
  say("saving …");
  const applied = await guarded(() => api.bulk(view(), change()));
  if (!applied) return;
  state.actions.push(applied.action);
  say(`saved: ${applied.items.length.toLocaleString("en")} captions; undo with u`);
  await load();
}

function hear(event) {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "Escape" && typing) return event.target.blur();
  if (event.target === $("text") && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    $("text").blur();
    return decide("edit", $("text").value);
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const arrows = { ArrowDown: "j", ArrowUp: "k" };
  const found = KEYS[arrows[event.key] || event.key];
  if (!found) return;
  event.preventDefault();
  found[1]();
}

async function start() {
  const given = new URLSearchParams(location.hash.slice(1));
  $("filter").value = given.get("filter") || "";
  $("sort").value = given.get("sort") || "queue";
  $("keys").append(
    ...Object.entries(KEYS).map(([key, [words]]) =>
      element("tr", {}, element("td", {}, element("kbd", {}, key)), element("td", {}, words)),
    ),
  );
  let waiting;
  $("filter").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(load, 200);
  });
  $("filters").addEventListener("submit", (event) => (event.preventDefault(), load()));
  $("sort").addEventListener("change", load);
  $("more").addEventListener("click", more);
  $("accept").addEventListener("click", () => decide("accept"));
  $("reject").addEventListener("click", () => decide("reject"));
  $("save").addEventListener("click", () => decide("edit", $("text").value));
  $("undo").addEventListener("click", undo);
  $("zoom").addEventListener("click", KEYS.z[1]);
  $("help-button").addEventListener("click", KEYS["?"][1]);
  $("bulk-form").addEventListener("submit", previewBulk);
  $("bulk-apply").addEventListener("click", applyBulk);
  document.addEventListener("keydown", hear);
  const about = await guarded(api.about);
  if (about) {
    $("title").textContent = about.title;
    document.title = `${about.title} · review`;
  }
  await load();
  api.news(
    (change) => refresh(change.items),
    (lost) => (lost ? say("the server is gone; nothing is saved until it is back", true) : say("")),
  );
}

start();
