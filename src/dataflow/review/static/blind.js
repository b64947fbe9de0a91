"use strict";
// Shows the next pair, sends what a person chooses, and knows nothing of whose captions they are.

const at = (id) => document.getElementById(id);
let current = null;

function show(state) {
  current = state.number;
  const isDone = current === null;
  at("progress").textContent = isDone
    ? `All ${state.count} pairs are decided; the result is in the terminal.`
    : `Pair ${state.decided + 1} of ${state.count}`;
  at("first").textContent = isDone ? "" : state.first;
  at("second").textContent = isDone ? "" : state.second;
  at("picture").hidden = isDone;
  at("pair").hidden = isDone;
  at("choose-tie").hidden = isDone;
  if (!isDone) at("picture").src = `/picture/${current}`;
}

async function load(path, options) {
  try {
    const response = await fetch(path, options);
    if (!response.ok) throw new Error(await response.text());
    at("error").textContent = "";
    show(await response.json());
  } catch (error) {
    at("error").textContent = `Not saved: ${error.message}`;
  }
}

function choose(choice) {
  if (current === null) return;
  const body = JSON.stringify({ number: current, choice });
  current = null; // one press, one decision
  load("/api/choose", { method: "POST", headers: { "Content-Type": "application/json" }, body });
}

for (const choice of ["first", "second", "tie"]) {
  at(`choose-${choice}`).addEventListener("click", () => choose(choice));
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const choice = { 1: "first", 2: "second", 0: "tie" }[event.key];
  if (choice) choose(choice);
});
load("/api/next");
