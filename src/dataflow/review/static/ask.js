// Ask a model again for one caption or for all that are filtered: the price first, then the answers,
// which stand beside the captions until a person takes them.

import * as api from "./api.js";
import * as detail from "./detail.js";
import { $, difference, element, say } from "./elements.js";
import { leave, refresh, view } from "./list.js";
import { inTurn, remember } from "./saving.js";

let priced = null; // the question whose price was shown
let answers = []; // of the latest ask

export async function begin() {
  const known = await api.askState();
  $("ask").hidden = !known.can_ask;
  if (!known.can_ask) return;
  $("ask-prompt").value = known.prompt;
  $("ask-model").value = known.model;
  show(known);
}

export function open() {
  if ($("ask").hidden)
    return say("name a model when you start dataflow review: --model or --api-url", true);
  $("ask").open = true;
  $("ask-prompt").focus();
}

/** Another question, or another caption: its price has to be seen first. */
export function forget() {
  priced = null;
  $("ask-go").disabled = true;
}

function question() {
  const item = detail.shownItem();
  const which = $("ask-which").value === "one" ? { ids: item ? [item.id] : [] } : view();
  const most = $("ask-most").value.trim();
  return {
    ...which,
    prompt: $("ask-prompt").value,
    model: $("ask-model").value,
    ...(most === "" ? {} : { max_cost: Number(most) }),
  };
}

export function price(event) {
  event.preventDefault();
  forget();
  leave();
  const mine = question();
  $("ask-state").textContent = "looking what it would cost …";
  return inTurn(async () => {
    let found;
    try {
      found = await api.price(mine);
    } catch (error) {
      $("ask-state").textContent = error.message;
      return;
    }
    const captions = found.count === 1 ? "1 caption" : `${found.count.toLocaleString("en")} captions`;
    $("ask-state").textContent = `${captions}: ${found.price}`;
    priced = mine;
    $("ask-go").disabled = false;
  });
}

/** Ask what was priced, whatever is shown by now. */
export function go() {
  const mine = priced;
  if (!mine) return;
  forget();
  inTurn(async () => {
    try {
      await api.ask(mine);
      await look();
    } catch (error) {
      $("ask-state").textContent = error.message;
    }
  });
}

/** Show how the ask is getting on. */
export async function look() {
  show(await api.askState());
}

function show(known) {
  if (known.wanted === undefined) return;
  answers = known.answers.filter((one) => one.text !== one.seen);
  const count = `${known.answers.length.toLocaleString("en")} of ${known.wanted.toLocaleString("en")} answered`;
  $("ask-state").textContent = known.running ? `${count} …` : `${count}; ${known.outcome}`;
  $("ask-answers").replaceChildren(
    ...answers.slice(0, 200).map((one) =>
      element("li", {}, difference(one.words), one.reason ? ` (${one.reason})` : ""),
    ),
  );
  $("ask-take").hidden = known.running || !answers.length;
}

/** All answers become the captions, in one action; a caption that changed meanwhile stays. */
export function takeAll() {
  const changes = answers.map(({ id, text, seen }) => ({ id, decision: "edit", text, seen }));
  $("ask-take").hidden = true;
  leave();
  say("saving …");
  inTurn(async () => {
    const applied = await api.decide(changes);
    if (applied.action) remember(applied.action);
    const left = applied.conflicts.length ? `; ${applied.conflicts.length} changed meanwhile` : "";
    say(`saved: ${applied.count.toLocaleString("en")} captions${left}; undo with u`);
    await refresh(applied.items);
    await look();
  });
}
