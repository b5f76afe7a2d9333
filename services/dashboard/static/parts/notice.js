// Short messages in the corner, which screen readers tell.

import { h } from "../lib/dom.js";

export function notify(message, isError = false) {
  const notice = h("p", { class: isError ? "notice error" : "notice" }, message);
  document.getElementById("notices").append(notice);
  setTimeout(() => notice.remove(), isError ? 9000 : 4000);
}

export function explain(error) {
  const fields = (error.errors ?? []).map((entry) => `${entry.field}: ${entry.message}`);
  const message = [error.message, ...fields].join(" ");
  return error.requestId ? `${message} (request ${error.requestId})` : message;
}
