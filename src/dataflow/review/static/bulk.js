// The same change for all captions of the view: first what it would do, then exactly that.

import * as api from "./api.js";
import { $, difference, element, say } from "./elements.js";
import { leave, view } from "./list.js";
import { inTurn, remember } from "./saving.js";

let previewed = null; // the view and the change that the preview showed

export function open() {
  $("bulk").open = true;
  $("bulk-find").focus();
}

const change = () => ({
  kind: $("bulk-kind").value,
  find: $("bulk-find").value,
  text: $("bulk-text").value,
});

/** What is typed is another change by now: it has to be looked at first. */
export function forget() {
  previewed = null;
  $("bulk-apply").disabled = true;
}

export function preview(event) {
  event.preventDefault();
  forget();
  leave();
  const mine = [view(), change()];
  return inTurn(async () => {
    const found = await api.preview(...mine);
    $("bulk-count").textContent = `${found.count.toLocaleString("en")} captions would change`;
    $("bulk-examples").replaceChildren(
      ...found.examples.map((one) => element("li", {}, difference(one.words))),
    );
    if (JSON.stringify(mine) !== JSON.stringify([view(), change()])) return;
    previewed = mine;
    $("bulk-apply").disabled = found.count === 0;
  });
}

export function apply(onApplied) {
  const mine = previewed;
  if (!mine) return;
  forget();
  leave();
  say("saving …");
  inTurn(async () => {
    const applied = await api.bulk(...mine);
    if (applied.action) remember(applied.action);
    say(`saved: ${applied.count.toLocaleString("en")} captions; undo with u`);
    await onApplied();
  });
}
