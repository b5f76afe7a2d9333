// Small things that stand in tables and facts: a state, a tag, a progress bar, a link.

import { freshId, h } from "../lib/dom.js";
import { capitalize, percent } from "../lib/format.js";
import { address } from "../lib/router.js";

export const ENDED = new Set(["succeeded", "failed", "cancelled"]);
export const STATES = [
  "queued", "waiting", "starting", "running", "pausing", "paused", "cancelling", "expiring",
  "succeeded", "failed", "cancelled",
];

export const state = (name) => h("span", { class: `state state-${name}` }, name);
export const tag = (text) => h("span", { class: "tag" }, text);
export const tags = (texts) => texts.map((text) => [tag(text), " "]);
export const labels = (entries) =>
  tags(Object.entries(entries ?? {}).map(([name, value]) => `${name}: ${value}`));

export function progress(job) {
  const label = `Progress of ${job.name || job.id}`;
  const bar = h("progress", { max: 1, value: job.progress, "aria-label": label });
  return h("span", { class: "progress" }, bar, percent(job.progress));
}

export const jobLink = (id, text = id) => h("a", { href: address("jobs", id) }, text);
export function versionLink(optimizer, number) {
  const href = address("optimizers", optimizer, "versions", String(number));
  return h("a", { href }, `${optimizer}@${number}`);
}

export const head = (title, ...more) => h("div", { class: "head" }, h("h1", {}, title), more);
export const crumb = (text, ...steps) =>
  h("p", { class: "crumb" }, h("a", { href: address(...steps) }, text));

export function facts(rows) {
  const shown = Object.entries(rows).filter(([, value]) => !isNothing(value));
  return h("dl", { class: "card facts" },
    shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function isNothing(value) {
  const isEmptyList = Array.isArray(value) && !value.length;
  return value == null || value === false || value === "" || isEmptyList;
}

// A part of a page that can be folded; `work` fills it when it is opened first.
export function fold(title, work, isOpen = false) {
  const body = h("div");
  const element = h("details", { open: isOpen }, h("summary", {}, title), body);
  let isFilled = false;
  const fill = async () => {
    if (!element.open || isFilled) return;
    isFilled = true;
    await work(body);
  };
  element.addEventListener("toggle", fill);
  if (isOpen) fill();
  return element;
}

// A choice between few things, with its label.
export function choice(label, options, value, onChange) {
  const id = freshId("choice");
  const control = h("select", { id }, options.map((entry) => {
    const [name, text] = Array.isArray(entry) ? entry : [entry, entry];
    return h("option", { value: name, selected: name === value }, text);
  }));
  control.addEventListener("change", () => onChange(control.value));
  return h("div", { class: "choice" }, h("label", { for: id }, label), control);
}

export function toggle(label, isOn, onChange) {
  const button = h("button", { type: "button", class: "toggle", "aria-pressed": String(isOn) }, label);
  button.addEventListener("click", () => {
    const isNowOn = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isNowOn));
    onChange(isNowOn);
  });
  return button;
}

// Lines to copy.
export function snippet(label, text) {
  const button = h("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    const isDone = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    button.textContent = isDone ? "Copied" : "Select and copy by hand";
  });
  const code = h("pre", { tabindex: "0", role: "region", "aria-label": label }, text);
  return h("figure", { class: "card snippet" }, h("figcaption", {}, capitalize(label), button), code);
}
