// The server's routes as functions. A failure is an Error with the server's own words.

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer; start it again and reload this page");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `the server says ${response.status}`);
  return body;
}

const post = (path, body) =>
  call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

const query = (view, more = {}) => new URLSearchParams({ ...view, ...more }).toString();

export const about = () => call("/api/about");
export const items = (view, after) =>
  call(`/api/items?${query(view, after === null ? {} : { after })}`);
export const count = (view, signal) => call(`/api/count?${query(view)}`, { signal });
export const itemsOf = (ids) => call(`/api/items?ids=${ids.join(",")}`);
export const item = (id, signal) => call(`/api/items/${id}`, { signal });
export const decide = (changes) => post("/api/decide", { changes });
export const undo = (action) => post("/api/undo", { action });
export const preview = (view, change) => post("/api/preview", { ...view, ...change });
export const bulk = (view, change) => post("/api/bulk", { ...view, ...change });
export const askState = () => call("/api/ask");
export const price = (question) => post("/api/ask/price", question);
export const ask = (question) => post("/api/ask", question);
export const picture = (id, size) => `/picture/${id}/${size}`;

export function news(onNews, onLost) {
  const source = new EventSource("/api/news");
  source.onmessage = (event) => onNews(JSON.parse(event.data));
  source.onerror = onLost;
  source.onopen = () => onLost(null);
}
