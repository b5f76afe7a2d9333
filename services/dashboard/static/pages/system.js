// The service itself: health, queue, machines, versions of everything; for admins keys and audit.

import { get } from "../lib/api.js";
import { add, h, replace } from "../lib/dom.js";
import { duration, plain, when } from "../lib/format.js";
import { poll } from "../lib/poll.js";
import { address } from "../lib/router.js";
import { facts, fold, head, jobLink, progress, state } from "../parts/marks.js";
import { table } from "../parts/table.js";
import { showAudit } from "./audit.js";
import { showKeys } from "./keys.js";

const REFRESH_MS = 5000;

export function systemPage(content, { holder, signal }) {
  const now = h("div");
  const isAdmin = holder.scopes.includes("admin");
  add(content, head("System"), now);
  if (isAdmin) {
    add(content,
      fold("API keys", (box) => showKeys(box, signal)),
      fold("Audit: who did what", (box) => showAudit(box, signal)),
    );
  }
  return poll(async () => {
    const [ready, system] = await Promise.all([readHealth(signal), get("v1/system", signal)]);
    if (!signal.aborted) show(now, ready, system);
  }, REFRESH_MS, signal);
}

// 503 is an answer, too: it names what is missing.
async function readHealth(signal) {
  const response = await fetch("readyz", { signal });
  return response.json();
}

function show(box, ready, system) {
  const text = JSON.stringify([ready, system]);
  if (box.dataset.text === text) return;
  box.dataset.text = text;
  const checks = Object.entries(ready.checks).map(([part, finding]) => [
    part, h("span", { class: finding === "ok" ? "state state-succeeded" : "state state-failed" }, finding)]);
  const queue = Object.entries(system.queue).map(([name, count]) => [
    name, h("a", { href: `${address("jobs")}?state=${name}` }, count)]);
  replace(box,
    h("h2", {}, "Health"), facts(Object.fromEntries(checks)),
    h("h2", {}, "Queue"), queue.length ? facts(Object.fromEntries(queue)) : h("p", { class: "card" }, "No jobs yet."),
    h("p", { class: "help" }, `At most ${system.max_running_jobs} jobs are active at a time${system.max_running_jobs_per_key ? `, ${system.max_running_jobs_per_key} of one key` : ""}.`),
    h("h2", {}, "At work"), atWork(system.active),
    h("h2", {}, "Machines"), machines(system.nodes),
    h("h2", {}, "Versions"), facts(system.versions),
    system.mlflow_url && h("p", {}, h("a", { href: system.mlflow_url, target: "_blank", rel: "noopener noreferrer" }, "Open MLflow")));
}

const atWork = (active) => table("Active jobs", [
  { title: "Job", isWide: true, cell: (job) => jobLink(job.id, job.name || job.id) },
  { title: "State", cell: (job) => state(job.state) },
  { title: "Progress", cell: progress },
  { title: "Left", isNumber: true, cell: (job) => duration(job.eta_seconds) },
  { title: "Workers", isNumber: true, cell: (job) => plain(job.n_workers) },
  { title: "Attempt", isNumber: true, cell: (job) => job.attempt },
  { title: "Since", cell: (job) => when(job.started_at) },
], active, "No job is active.");

function machines(nodes) {
  const names = [...new Set(nodes.flatMap((node) => Object.keys(node)))];
  return table("Machines and their resources", [
    { title: "Machine", isNumber: true, cell: ({ place }) => place },
    ...names.map((name) => ({ title: name, isNumber: true, cell: ({ node }) => plain(node[name]) })),
  ], nodes.map((node, index) => ({ place: index + 1, node })), "Nothing is known of machines: where nodes may come and go, the cluster's own page shows them.");
}
