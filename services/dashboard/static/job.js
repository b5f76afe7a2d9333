// One job, live: its figures, its losses, its events as they happen, its log and its result.

import { all, blob, follow, get, post } from "/dashboard/api.js";
import { action, atClock, bytes, download, duration, h } from "/dashboard/dom.js";
import { number, state, when } from "/dashboard/dom.js";
import { progress } from "/dashboard/jobs.js";
import { Plot } from "/dashboard/plot.js";

const MAX_EVENTS = 200;
const ACTIONS = {
  queued: ["pause", "cancel"],
  starting: ["pause", "cancel"],
  running: ["pause", "cancel"],
  pausing: ["cancel"],
  paused: ["resume", "cancel"],
  expiring: ["cancel"],
  failed: ["retry"],
  cancelled: ["retry"],
};
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

export async function jobPage(content, { holder, signal, id }) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const title = h("h1");
  const badge = h("span", { role: "status" });
  const actions = h("div", { class: "actions" });
  const facts = h("dl", { class: "card facts" });
  const plots = { meta_loss: new Plot("Meta-loss"), validation_loss: new Plot("Validation loss") };
  const events = h("ol", { class: "events card", "aria-label": "Events, newest first" });
  const result = h("section", { hidden: true });
  content.append(
    h("p", { class: "crumb" }, h("a", { href: "#/jobs" }, "Jobs")),
    h("div", { class: "head" }, title, badge, actions),
    facts,
    h("div", { class: "plots" }, Object.values(plots).map((plot) => plot.element)),
    result,
    h("h2", {}, "Events"),
    events,
    logView(path, signal),
    specView(),
  );
  let job;

  function show() {
    title.textContent = job.name || job.id;
    badge.replaceChildren(state(job.state));
    const names = holder.scopes.includes("submit") ? ACTIONS[job.state] || [] : [];
    actions.replaceChildren(...names.map(actionButton));
    facts.replaceChildren(...factsOf(job));
    content.querySelector("#spec").textContent = JSON.stringify(job.spec, null, 2);
  }

  function actionButton(name) {
    return action(name[0].toUpperCase() + name.slice(1), async () => {
      job = await post(`${path}/${name}`);
      show();
    });
  }

  async function refresh() {
    job = await get(path, { signal });
    show();
    if (job.state === "succeeded" && result.hidden) await showResult(result, path, signal);
  }

  function onEvent(event) {
    if (event.type === "progress") plots.meta_loss.add(event.data.update, event.data.meta_loss);
    if (event.type === "validation") plots.validation_loss.add(event.data.update, event.data.loss);
    events.prepend(eventRow(event));
    if (events.children.length > MAX_EVENTS) events.lastChild.remove();
    isStale = true;
  }

  let isStale = false;
  await refresh();
  loadSeries(plots, path, signal);

  let isLive = true;
  follow(`${path}/events`, onEvent, signal).finally(() => {
    isLive = false;
  });
  while (!signal.aborted && (isLive || isStale)) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (!isStale || document.hidden || signal.aborted) continue;
    isStale = false;
    await refresh().catch(() => {
      isStale = isLive;
    });
  }
}

async function loadSeries(plots, path, signal) {
  for (const [name, plot] of Object.entries(plots)) {
    const points = await all(`${path}/metrics?name=${name}&limit=10000`, signal).catch(() => []);
    for (const point of points) plot.add(point.step, point.value);
  }
}

function factsOf(job) {
  const rows = {
    Progress: progress(job),
    ETA: ENDED.has(job.state) ? null : duration(job.eta_seconds),
    "In the queue": job.queue_position && `number ${job.queue_position}`,
    Version: job.version && versionLink(job.version),
    Kind: job.kind,
    Submitted: when(job.created_at),
    Started: when(job.started_at),
    Ended: job.ended_at && when(job.ended_at),
    Attempt: job.attempt || null,
    By: job.actor,
    Id: h("span", { class: "mono" }, job.id),
    Labels: Object.entries(job.labels).map(labelTag),
    Error: job.error && h("span", { class: "bad" }, `${job.error.type}: ${job.error.message}`),
  };
  return Object.entries(rows)
    .filter(([, value]) => !isNothing(value))
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

function isNothing(value) {
  const isEmptyList = Array.isArray(value) && !value.length;
  return value == null || value === 0 || isEmptyList;
}

function versionLink(version) {
  const href = `#/optimizers/${version.optimizer}`;
  return h("a", { href }, `${version.optimizer}@${version.number}`);
}

function labelTag([name, text]) {
  return h("span", { class: "tag" }, `${name}: ${text}`);
}

function eventRow(event) {
  const data = Object.entries(event.data).map(([name, value]) => {
    const text = typeof value === "number" ? number(value) : JSON.stringify(value);
    return `${name}=${text}`;
  });
  return h("li", {},
    atClock(event.time),
    h("span", { class: "type" }, event.type),
    h("span", { class: "data" }, data.join(" ")),
  );
}

function logView(path, signal) {
  const text = h("pre", { class: "card", tabindex: "0", "aria-label": "Log" });
  const view = h("details", {}, h("summary", {}, "Log"), text);
  view.addEventListener("toggle", async () => {
    if (!view.open) return;
    try {
      const response = await blob(`${path}/logs`, signal);
      text.textContent = JSON.parse(await response.text()).text || "Nothing yet.";
    } catch (error) {
      text.textContent = error.message;
    }
  });
  return view;
}

function specView() {
  const text = h("pre", { class: "card", id: "spec", tabindex: "0", "aria-label": "Spec" });
  return h("details", {}, h("summary", {}, "Spec"), text);
}

async function showResult(section, path, signal) {
  const { artifacts } = await get(`${path}/result`, { signal }).catch(() => ({ artifacts: [] }));
  if (!artifacts.length) return;

  const files = artifacts.map((file) => fileRow(file, path));
  section.replaceChildren(h("h2", {}, "Result"), h("ul", { class: "card" }, files));
  section.hidden = false;

  const pictures = artifacts.filter((file) => file.path.endsWith(".png"));
  for (const file of pictures) {
    const source = URL.createObjectURL(await blob(fileUrl(file, path), signal));
    signal.addEventListener("abort", () => URL.revokeObjectURL(source));
    const image = h("img", { src: source, alt: `Picture of the result: ${file.path}` });
    section.append(h("div", { class: "pictures" }, image));
  }
}

function fileRow(file, path) {
  const save = async () => {
    download(await blob(fileUrl(file, path)), file.path.split("/").at(-1));
  };
  return h("li", {}, action(file.path, save, "quiet"), ` ${bytes(file.size_bytes)}`);
}

function fileUrl(file, path) {
  const steps = file.path.split("/").map(encodeURIComponent);
  return `${path}/result/${steps.join("/")}`;
}
