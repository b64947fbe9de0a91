// Small builders. Captions and names only ever become text nodes.

export const $ = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function say(message, failed = false) {
  $("saved").textContent = message;
  $("saved").classList.toggle("failed", failed);
}

export function tags(item, isUnsaved) {
  const box = element("span", { class: "tags" });
  if (isUnsaved) box.append(element("span", { class: "bad" }, "not saved"), " ");
  if (item.decision) box.append(element("span", { class: item.decision }, item.decision), " ");
  for (const kind of item.kinds) box.append(element("span", { class: "bad" }, kind), " ");
  box.append(`${item.words} words`);
  if (item.copies > 1) box.append(` · ${item.copies} alike`);
  return box;
}

export function card(item, source, isUnsaved, onChoose) {
  const image = item.pictures
    ? element("img", { src: source, alt: "", loading: "lazy", width: 84, height: 84 })
    : element("span", { class: "none" });
  return element(
    "button",
    { type: "button", class: "card", "data-id": item.id, onclick: () => onChoose(item.id) },
    image,
    element("span", {}, element("span", { class: "text" }, item.text || "(no caption)"), tags(item, isUnsaved)),
  );
}

export function difference(words) {
  const names = { same: "span", gone: "del", new: "ins" };
  return element("span", {}, ...words.map(([kind, text]) => element(names[kind], {}, text)));
}

export function facet(name, values, chosen, onChoose) {
  const list = element("ul", { class: "facet" });
  for (const [value, number] of Object.entries(values)) {
    const label = value || "none";
    list.append(
      element(
        "li",
        {},
        element(
          "button",
          {
            type: "button",
            "aria-pressed": String(chosen(name, label)),
            onclick: () => onChoose(name, label),
          },
          element("span", {}, label),
          element("span", { class: "number" }, number.toLocaleString("en")),
        ),
      ),
    );
  }
  return element("div", {}, element("h2", {}, name), list);
}
