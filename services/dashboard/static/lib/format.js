// Numbers, times and names as people read them.

import { h } from "./dom.js";

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hour12: false });

export const when = (value) => (value ? time(value, moment) : "–");
export const atClock = (value) => time(value, clock);
const time = (value, format) => h("time", { datetime: value }, format.format(new Date(value)));

export function duration(seconds) {
  if (seconds == null) return "–";
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 2 ** 20) return `${(count / 1024).toFixed(1)} kB`;
  return `${(count / 2 ** 20).toFixed(1)} MB`;
}

export function number(value, digits = 4) {
  if (value == null || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  const isExtreme = size !== 0 && (size < 1e-3 || size >= 1e6);
  return isExtreme ? value.toExponential(2) : String(Number(value.toPrecision(digits)));
}

export const withError = (mean, stderr) =>
  stderr == null ? number(mean) : `${number(mean)} ± ${number(stderr, 2)}`;

// A value of a spec in one line.
export function plain(value) {
  if (value == null) return "–";
  if (typeof value === "number") return number(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

export const capitalize = (word) => word[0].toUpperCase() + word.slice(1);
export const percent = (share) => `${Math.floor(100 * share)} %`;

// Colours of terminals and other escapes are no part of a log.
export const withoutEscapes = (value) =>
  value.replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g, "")
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, "");
