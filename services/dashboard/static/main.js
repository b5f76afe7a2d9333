// Asks for a key, then shows the page that the address names: #/jobs, #/jobs/ID, #/optimizers,
// #/optimizers/NAME.

import { get, key } from "/dashboard/api.js";
import { h } from "/dashboard/dom.js";
import { jobPage } from "/dashboard/job.js";
import { jobsPage } from "/dashboard/jobs.js";
import { optimizerPage, optimizersPage } from "/dashboard/optimizers.js";

const PAGES = { jobs: [jobsPage, jobPage], optimizers: [optimizersPage, optimizerPage] };
const KEY_HELP =
  "This service needs an API key. The first start of the server showed one; " +
  "it is kept in this tab only.";
const content = document.getElementById("content");
let holder = null;
let pageInView = new AbortController();

async function route() {
  pageInView.abort();
  pageInView = new AbortController();
  const { signal } = pageInView;
  content.replaceChildren();
  if (!key.get()) return askForKey();
  try {
    holder ??= await get("/v1/keys/self", { signal });
    showHolder();
    const [section, id] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
    const pages = PAGES[section] || PAGES.jobs;
    markSection(PAGES[section] ? section : "jobs");
    document.title = id ? `${id} · HyperAdam` : "HyperAdam";
    await pages[id ? 1 : 0](content, { holder, signal, id });
  } catch (error) {
    if (signal.aborted || error.status === 401) return;
    content.append(h("p", { class: "card empty bad", role: "alert" }, explain(error)));
  }
}

function explain(error) {
  return error.requestId ? `${error.message} (request ${error.requestId})` : error.message;
}

function askForKey(message = "") {
  const input = h("input", {
    id: "key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "key-help",
  });
  const form = h("form", { class: "card sign-in" },
    h("h1", {}, "HyperAdam"),
    h("p", { id: "key-help" }, KEY_HELP),
    message && h("p", { class: "bad", role: "alert" }, message),
    h("label", { for: "key" }, "API key"),
    input,
    h("button", { class: "main" }, "Open"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    key.set(input.value.trim());
    route();
  });
  content.replaceChildren(form);
  input.focus();
}

function signOut(message) {
  key.forget();
  holder = null;
  pageInView.abort();
  document.getElementById("holder").hidden = true;
  askForKey(message);
}

function showHolder() {
  document.getElementById("holder-name").textContent = holder.name;
  document.getElementById("holder").hidden = false;
}

function markSection(section) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

document.getElementById("sign-out").addEventListener("click", () => signOut(""));
window.addEventListener("hyperadam:unauthorized", (event) => signOut(event.detail));
window.addEventListener("hashchange", async () => {
  if (location.hash === "#content") return;
  content.focus();
  await route();
});
route();
