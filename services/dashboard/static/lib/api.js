// The REST API as this page uses it. The session lies in a cookie that no script can read; the
// header says that a request is this page's own.

const OWN = { "X-Requested-With": "hyperadam" };

let project = null;

// From now on the page acts in this project, and shows it alone; null: in all that are seen.
export function choose(name) {
  project = name || null;
}

export class Problem extends Error {
  constructor(document, status) {
    super(document?.detail || document?.title || `The server answered with status ${status}.`);
    this.status = status;
    this.requestId = document?.request_id;
    this.signIn = document?.sign_in;
    this.errors = document?.errors ?? [];
  }
}

export async function request(path, { method = "GET", body, headers = {}, signal } = {}) {
  const options = { method, signal, headers: { ...OWN, ...(project && { "HyperAdam-Project": project }), ...headers }, credentials: "same-origin" };
  if (body instanceof Blob) {
    options.headers["Content-Type"] = "application/octet-stream";
    options.body = body;
  } else if (body !== undefined) {
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
  if (response.status === 401 && path !== "v1/session") {
    window.dispatchEvent(new CustomEvent("hyperadam:unauthorized", { detail: problem }));
  }
  throw problem;
}

export const get = async (path, signal) => (await request(path, { signal })).json();
export const text = async (path, signal) =>
  (await request(path, { signal, headers: { Accept: "text/plain" } })).text();
export const patch = async (path, body) => (await request(path, { method: "PATCH", body })).json();
export const put = async (path, body) => (await request(path, { method: "PUT", body })).json();
export const remove = (path) => request(path, { method: "DELETE" });

// A repeat of the same click does nothing twice: the key is drawn once for it.
export async function post(path, body) {
  const headers = { "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") };
  const response = await request(path, { method: "POST", body, headers });
  return response.json();
}

// Of a list, the pages one after the other, up to so many.
export async function all(path, signal, maxPages = 10, field = "items") {
  const items = [];
  let cursor = null;
  for (let page = 0; page < maxPages; page++) {
    const answer = await get(cursor ? withQuery(path, { cursor }) : path, signal);
    items.push(...answer[field]);
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  return items;
}

// The path with more in its query; what is empty is left out, lists are repeated.
export function withQuery(path, values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const part of [value].flat()) {
      if (part !== "" && part != null) query.append(name, part);
    }
  }
  const text = query.toString();
  if (!text) return path;
  return `${path}${path.includes("?") ? "&" : "?"}${text}`;
}

export const jobPath = (id) => `v1/jobs/${encodeURIComponent(id)}`;
export const optimizerPath = (name) => `v1/optimizers/${encodeURIComponent(name)}`;
export const resultPath = (id, file) =>
  `${jobPath(id)}/result/${file.split("/").map(encodeURIComponent).join("/")}`;
