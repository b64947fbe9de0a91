// Changes go to the server one by one, in the order in which they were made. A change names the
// caption and the text that was on the screen; what the server does not take stays with its caption.

import * as api from "./api.js";
import { say } from "./elements.js";
import { state } from "./state.js";

const WORDS = { accept: "accepted", edit: "edited", reject: "rejected" };
const actions = [];
let last = Promise.resolve();
let waiting = 0;

/** Set by the page: how a caption is drawn again, and what happens when one was not saved. */
export const hooks = { put: () => {}, refresh: async () => {}, onUnsaved: () => {} };

export const isSaving = () => waiting > 0 || state.unsaved.size > 0;

/** Run `work` after all changes that were made before. */
export function inTurn(work) {
  waiting += 1;
  last = last.then(work).catch((error) => say(error.message, true));
  return last.finally(() => (waiting -= 1));
}

/** Keep a decision about `item`, which is shown as decided at once. */
export function send(item, decision, text = null) {
  const change = { id: item.id, decision, seen: item.text, ...(text === null ? {} : { text }) };
  const begun = state.saving.get(item.id) || 0;
  if (!begun) state.confirmed.set(item.id, item);
  state.saving.set(item.id, begun + 1);
  state.unsaved.delete(item.id);
  const decided = { ...item, text: text ?? item.text, decision: WORDS[decision] };
  hooks.put(decided);
  say("saving …");
  inTurn(() => sent(change));
  return decided;
}

async function sent(change) {
  let applied = null;
  let problem = null;
  try {
    applied = await api.decide([change]);
    if (applied.conflicts.length && !(await isThere(change))) problem = "conflict";
  } catch (error) {
    problem = error.message;
  }
  const left = state.saving.get(change.id) - 1;
  if (left) state.saving.set(change.id, left);
  else state.saving.delete(change.id);
  if (problem) return keep(change, problem);
  if (applied.action) actions.push(applied.action);
  if (waiting <= 1) say("saved");
  await hooks.refresh([change.id]);
}

/** Whether the server has the text already: the answer to an earlier request was lost. */
async function isThere(change) {
  const now = await api.item(change.id);
  return change.decision === "edit" && now.text === change.text;
}

async function keep(change, problem) {
  const conflict = problem === "conflict";
  const before = state.unsaved.get(change.id);
  const text = change.text ?? before?.text ?? null;
  state.unsaved.set(change.id, { text, decision: change.decision, conflict });
  const confirmed = state.confirmed.get(change.id);
  if (confirmed && !state.saving.has(change.id)) hooks.put(confirmed);
  if (conflict) {
    say("somebody changed this caption meanwhile; look again", true);
    await hooks.refresh([change.id]);
  } else {
    say(`not saved: ${problem}`, true);
  }
  hooks.onUnsaved(change.id);
}

/** Send again what failed, now that the server answers. */
export function sendUnsaved(itemOf) {
  for (const [id, { text, decision, conflict }] of [...state.unsaved]) {
    const item = itemOf(id) || state.confirmed.get(id);
    if (conflict || !item) continue;
    const edited = text === null ? item : send(item, "edit", text);
    if (decision !== "edit") send(edited, decision);
  }
}

export const remember = (action) => actions.push(action);

/** Take back the latest action; resolves to the ids of its captions. */
export async function undoLatest() {
  const action = actions.pop();
  if (action === undefined) {
    say("nothing to undo");
    return [];
  }
  try {
    const applied = await api.undo(action);
    say(`undone: ${applied.count.toLocaleString("en")}`);
    return applied.items;
  } catch (error) {
    actions.push(action);
    throw error;
  }
}
