// Asks for a key, then shows the page that the address names.

import { all, choose, get, remove } from "./lib/api.js";
import { h } from "./lib/dom.js";
import { read } from "./lib/router.js";
import { explain } from "./parts/notice.js";
import { datasetsPage } from "./pages/datasets.js";
import { jobPage } from "./pages/job.js";
import { jobsPage } from "./pages/jobs.js";
import { optimizerPage } from "./pages/optimizer.js";
import { optimizersPage } from "./pages/optimizers.js";
import { signInPage } from "./pages/signin.js";
import { submitPage } from "./pages/submit.js";
import { systemPage } from "./pages/system.js";
import { versionPage } from "./pages/version.js";

const LISTS = { jobs: jobsPage, evaluations: jobsPage, studies: jobsPage, submit: submitPage, datasets: datasetsPage, optimizers: optimizersPage, system: systemPage };
const content = document.getElementById("content");
let holder = null;
const projectChoice = document.getElementById("project");
let projects = [];
let systemAnswer = null;
let pageInView = new AbortController();

async function route() {
  pageInView.abort();
  pageInView = new AbortController();
  const { signal } = pageInView;
  content.replaceChildren();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  try {
    holder ??= await get("v1/keys/self");
    if (signal.aborted) return;
    showHolder();
    await showProjects(signal);
    const { steps } = read();
    const section = LISTS[steps[0]] ? steps[0] : "jobs";
    markSection(section);
    document.title = `${steps[1] ?? document.querySelector("nav [aria-current]").textContent} · HyperAdam`;
    const page = choosePage(section, steps);
    const [, id, , ref] = steps;
    await page(content, { holder, signal, section, id, ref, system, reload: route });
  } catch (error) {
    if (signal.aborted || error.status === 401) return;
    content.append(h("p", { class: "card empty bad", role: "alert" }, explain(error)));
  }
}

function choosePage(section, steps) {
  if (section === "jobs" && steps[1]) return jobPage;
  if (section === "optimizers" && steps[3]) return versionPage;
  if (section === "optimizers" && steps[1]) return optimizerPage;
  return LISTS[section];
}

// What the service says of itself, asked for once.
async function system() {
  systemAnswer ??= await get("v1/system");
  return systemAnswer;
}

function signIn(message, title) {
  holder = null;
  projects = [];
  choose(null);
  pageInView.abort();
  document.getElementById("holder").hidden = true;
  signInPage(content, (answer) => {
    holder = answer;
    route();
  }, { message, title });
}

async function signOut() {
  await remove("v1/session").catch(() => null);
  holder = null;
  await route();
}

function showHolder() {
  document.getElementById("holder-name").textContent = `${holder.full_name ?? holder.name} (${holder.scopes.at(-1)})`;
  document.getElementById("holder").hidden = false;
}

// Whoever sees several projects may look at one alone; the list is asked for once.
async function showProjects(signal) {
  if (projects.length) return;
  projects = await all("v1/projects", signal);
  projectChoice.replaceChildren(
    h("option", { value: "" }, "all"),
    ...projects.map(({ name }) => h("option", { value: name }, name)),
  );
  document.getElementById("project-choice").hidden = projects.length < 2;
}

function markSection(section) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

projectChoice.addEventListener("change", () => {
  choose(projectChoice.value);
  systemAnswer = null;
  route();
});
document.getElementById("sign-out").addEventListener("click", signOut);
document.getElementById("skip").addEventListener("click", () => content.focus());
window.addEventListener("hyperadam:unauthorized", (event) => {
  const problem = event.detail;
  signIn(holder ? problem.message : "", problem.signIn);
});
window.addEventListener("hashchange", async () => {
  content.focus();
  await route();
});
route();
