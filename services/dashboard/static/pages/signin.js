// Sign in with an API key: it goes to the server once, and the browser keeps a cookie for it. Or
// with the issuer, if the service has one: the browser goes there and comes back with the cookie.

import { request } from "../lib/api.js";
import { h } from "../lib/dom.js";

const HELP =
  "This service needs an API key. The first start of the server showed one. " +
  "The key goes to the server once; a cookie that no script can read stands for it in all tabs.";

const issuerLink = (title) =>
  h("a", { class: "button main", href: "v1/sign-in" }, `Sign in with ${title}`);

export function signInPage(content, onSignedIn, { message = "", title } = {}) {
  const input = h("input", {
    id: "key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "key-help",
  });
  const failure = h("p", { class: "bad", role: "alert" }, message);
  const form = h("form", { class: "card sign-in" },
    h("h1", {}, "HyperAdam"),
    title && h("p", {}, issuerLink(title)),
    h("p", { id: "key-help" }, HELP),
    failure,
    h("label", { for: "key" }, "API key"),
    input,
    h("button", { class: "main" }, "Sign in"),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failure.textContent = "";
    try {
      const headers = { Authorization: `Bearer ${input.value.trim()}` };
      const response = await request("v1/session", { method: "PUT", headers });
      onSignedIn(await response.json());
    } catch (error) {
      failure.textContent = error.message;
      input.focus();
    }
  });
  content.replaceChildren(form);
  input.focus();
}
