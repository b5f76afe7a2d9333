// One job, live: what can be done with it, its facts, what its kind shows, events, log and spec.

import { get, jobPath } from "../lib/api.js";
import { add, h, replace } from "../lib/dom.js";
import { atClock, duration, number, when } from "../lib/format.js";
import { poll } from "../lib/poll.js";
import { follow } from "../lib/stream.js";
import { crumb, ENDED, facts, fold, jobLink, labels, progress, state, versionLink } from "../parts/marks.js";
import { showLog } from "../parts/log.js";
import { explain } from "../parts/notice.js";
import { table } from "../parts/table.js";
import { evaluationBody } from "./evaluation.js";
import { jobActions } from "./job-actions.js";
import { resultFiles } from "./result-files.js";
import { studyBody } from "./study.js";
import { trainingBody } from "./training.js";

const MAX_EVENTS = 200;
const REFRESH_MS = 1000;
const BODIES = { "meta-training": trainingBody, evaluation: evaluationBody, study: studyBody };
const LISTS = { "meta-training": ["Jobs", "jobs"], evaluation: ["Evaluations", "evaluations"], study: ["Studies", "studies"] };

export async function jobPage(content, { holder, signal, id }) {
  const path = jobPath(id);
  let job = await get(path, signal);
  const title = h("h1");
  const badge = h("span", { role: "status" });
  const buttons = h("div");
  const summary = h("div");
  const events = h("ol", { class: "events card", tabindex: "0", "aria-label": "Events, newest first" });
  const files = h("div");
  const body = BODIES[job.kind]({ job, path, signal, holder });
  add(content,
    crumb(...LISTS[job.kind]),
    h("div", { class: "head" }, title, badge, buttons),
    summary,
    body.element,
    files,
    h("h2", {}, "Events"),
    events,
    fold("Log", (box) => showLog(box, path, signal, () => !ENDED.has(job.state))),
    fold("Attempts and checkpoints", (box) => showAttempts(box, path, signal)),
    fold("Spec", (box) => add(box, h("pre", { class: "card", tabindex: "0", role: "region", "aria-label": "Spec" }, JSON.stringify(job.spec, null, 2)))),
  );

  function show() {
    title.textContent = job.name || job.id;
    document.title = `${title.textContent} · HyperAdam`;
    const text = `${job.state} ${holder.scopes}`;
    if (buttons.dataset.for !== text) {
      buttons.dataset.for = text;
      replace(badge, state(job.state));
      replace(buttons, jobActions(job, path, holder, (changed) => {
        job = changed;
        show();
      }));
    }
    replace(summary, factsOf(job));
  }

  let isStale = true;
  let isLive = true;
  let n_files = 0;
  async function refresh() {
    if (!isStale) return;
    isStale = false;
    try {
      job = await get(path, signal);
      show();
      await body.refresh(job);
      n_files = await resultFiles(files, job, path, signal, n_files);
    } catch (error) {
      isStale = isLive;
      if (!signal.aborted && error.status !== 404) events.prepend(h("li", { class: "bad" }, explain(error)));
    }
  }

  show();
  follow(`${path}/events`, (event) => {
    body.onEvent?.(event);
    events.prepend(eventRow(event));
    if (events.children.length > MAX_EVENTS) events.lastChild.remove();
    isStale = true;
  }, signal).finally(() => {
    isLive = false;
  });
  return poll(refresh, REFRESH_MS, signal);
}

function factsOf(job) {
  return facts({
    Progress: progress(job),
    Left: !ENDED.has(job.state) && job.eta_seconds != null && duration(job.eta_seconds),
    "In the queue": job.queue_position && `number ${job.queue_position}`,
    "Starts in": job.starts_in_seconds != null && duration(job.starts_in_seconds),
    "Waits because": job.waiting_reason,
    Version: job.version && versionLink(job.version.optimizer, job.version.number),
    Submitted: when(job.created_at),
    Started: job.started_at && when(job.started_at),
    Ended: job.ended_at && when(job.ended_at),
    Deadline: job.deadline && when(job.deadline),
    Priority: job.priority || null,
    Attempt: job.attempt > 1 && job.attempt,
    Owner: job.actor_full_name ? `${job.actor_full_name} (${job.actor})` : job.actor,
    "Cloned from": job.cloned_from && jobLink(job.cloned_from),
    Id: h("span", { class: "mono" }, job.id),
    Labels: labels(job.labels),
    Error: job.error && h("span", { class: "bad" }, `${job.error.type}: ${job.error.message}`),
  });
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

async function showAttempts(box, path, signal) {
  const [attempts, checkpoints] = await Promise.all([
    get(`${path}/attempts`, signal),
    get(`${path}/checkpoints`, signal),
  ]);
  const columns = [
    { title: "Attempt", isNumber: true, cell: (attempt) => attempt.number },
    { title: "State", cell: (attempt) => attempt.state },
    { title: "Started", cell: (attempt) => when(attempt.started_at) },
    { title: "Ended", cell: (attempt) => when(attempt.ended_at) },
    { title: "Error", isWide: true, cell: (attempt) => (attempt.error ? `${attempt.error.type}: ${attempt.error.message}` : "–") },
  ];
  const updates = checkpoints.items.map(({ update }) => update).join(", ");
  add(box,
    table("Attempts", columns, attempts.items, "No attempt yet."),
    h("p", {}, updates ? `Checkpoints are kept of the updates ${updates}.` : "No checkpoint is kept."),
  );
}
