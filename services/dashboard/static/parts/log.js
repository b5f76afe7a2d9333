// The log of a job, without escape codes, from its newest bytes on; it grows while the job runs.

import { get } from "../lib/api.js";
import { add, h } from "../lib/dom.js";
import { withoutEscapes } from "../lib/format.js";
import { poll } from "../lib/poll.js";

const REFRESH_MS = 2000;
const LONGEST_CHARS = 400_000;

export async function showLog(body, path, signal, isLive) {
  const box = h("pre", { class: "card", tabindex: "0", role: "region", "aria-label": "Log" });
  const whole = h("p", {}, h("a", { href: `${path}/logs`, target: "_blank" }, "The whole log as JSON"));
  add(body, box, whole);
  let next = 0;
  let content = "";
  const read = async () => {
    const page = await get(`${path}/logs?after=${next}`, signal);
    const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
    next = page.next;
    content = (content + withoutEscapes(page.text)).slice(-LONGEST_CHARS);
    box.textContent = content || "Nothing yet.";
    if (isAtEnd) box.scrollTop = box.scrollHeight;
    return page.text.length;
  };
  try {
    while (await read());
    if (isLive()) await poll(read, REFRESH_MS, signal);
  } catch (error) {
    if (!signal.aborted) box.textContent = error.message;
  }
}
