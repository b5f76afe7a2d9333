// The REST API as this page uses it. The key lives in this tab's session storage, and goes nowhere
// but into the header.

const KEY_ENTRY = "hyperadam.key";

export class Problem extends Error {
  constructor(document, status) {
    super(document?.detail || document?.title || `The server answered with status ${status}.`);
    this.status = status;
    this.requestId = document?.request_id;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY_ENTRY),
  set: (value) => sessionStorage.setItem(KEY_ENTRY, value),
  forget: () => sessionStorage.removeItem(KEY_ENTRY),
};

export async function request(path, { method = "GET", body, headers = {}, signal } = {}) {
  const options = { method, signal, headers: { Authorization: `Bearer ${key.get()}`, ...headers } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }

  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The server cannot be reached." }, 0);
  }
  if (response.ok) return response;

  const problem = new Problem(await response.json().catch(() => null), response.status);
  if (response.status === 401) {
    window.dispatchEvent(new CustomEvent("hyperadam:unauthorized", { detail: problem.message }));
  }
  throw problem;
}

export const get = async (path, options) => (await request(path, options)).json();
export const post = async (path, body, headers) =>
  (await request(path, { method: "POST", body, headers })).json();
export const blob = async (path, signal) => (await request(path, { signal })).blob();

export async function all(path, signal, maxPages = 5) {
  const items = [];
  let cursor = null;
  for (let page = 0; page < maxPages; page++) {
    const answer = await get(cursor ? addCursor(path, cursor) : path, { signal });
    items.push(...answer.items);
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  return items;
}

function addCursor(path, cursor) {
  const joint = path.includes("?") ? "&" : "?";
  return `${path}${joint}cursor=${encodeURIComponent(cursor)}`;
}

export function freshKey() {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
}

// Events of a job until the stream ends with `job.ended` (more come after a retry). EventSource
// cannot send a header, so the stream is read by hand. When the connection breaks, it goes on after
// the last event that was seen.
export async function follow(path, onEvent, signal) {
  let last = 0;
  let isOver = false;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const headers = { Accept: "text/event-stream", "Last-Event-ID": String(last) };
      const response = await request(path, { headers, signal });
      for await (const event of parse(response.body)) {
        failures = 0;
        last = event.id;
        onEvent(event);
        isOver = event.type === "job.ended";
      }
      if (isOver) return;
    } catch (error) {
      const isRefused = error.status >= 400 && error.status < 500;
      if (signal.aborted || isRefused) return;
    }
    const pause = Math.min(500 * 2 ** failures, 10_000);
    failures += 1;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function* parse(body) {
  let rest = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      const data = lines.map((line) => line.slice(5).trimStart());
      if (data.length) yield JSON.parse(data.join("\n"));
    }
  }
}
