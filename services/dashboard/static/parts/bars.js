// Shares as bars with their figures.

import { h } from "../lib/dom.js";

export function bars(entries, format) {
  const largest = Math.max(...entries.map(([, value]) => value), 1e-12);
  return h("dl", { class: "bars" }, entries.map(([name, value]) => {
    const bar = h("span", { class: "bar", "aria-hidden": "true" });
    bar.style.inlineSize = `${(100 * value) / largest}%`;
    return h("div", {}, h("dt", {}, name), h("dd", {}, h("span", { class: "mono" }, format(value)), bar));
  }));
}
