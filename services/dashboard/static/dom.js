// Elements without innerHTML: what the server sends is only ever text, never markup.

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

export function table(caption, headings, rows, empty) {
  if (!rows.length) return h("div", { class: "card empty" }, empty);
  const element = h("table", {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, headings.map(heading))),
    h("tbody", {}, rows),
  );
  const attributes = { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" };
  return h("div", attributes, element);
}

// A text that ends with # is above a column of numbers.
function heading(text) {
  return h("th", { scope: "col", class: text.endsWith("#") && "number" }, text.replace("#", ""));
}

export function notify(text, isError = false) {
  const notice = h("div", { class: isError ? "notice error" : "notice" }, text);
  document.getElementById("notices").append(notice);
  setTimeout(() => notice.remove(), isError ? 9000 : 4000);
}

// A button that cannot be pressed twice, and tells of its failure.
export function action(label, work, kind = "") {
  const button = h("button", { type: "button", class: kind }, label);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      notify(error.message, true);
    } finally {
      button.disabled = false;
    }
  });
  return button;
}

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hour12: false });

export const when = (text) => (text ? time(text, moment) : "–");
export const atClock = (text) => time(text, clock);
const time = (text, format) => h("time", { datetime: text }, format.format(new Date(text)));
export const state = (name) => h("span", { class: `state state-${name}` }, name);

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

export function number(value) {
  if (value == null) return "not finite";
  const size = Math.abs(value);
  const isExtreme = size !== 0 && (size < 1e-3 || size >= 1e5);
  return isExtreme ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

export function download(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
