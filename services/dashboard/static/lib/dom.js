// Elements without markup in texts: what the server sends is only ever text.

const SVG = "http://www.w3.org/2000/svg";
let count = 0;

export const h = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

// An id that no other element has, for a label or a description.
export const freshId = (word) => `${word}-${++count}`;

export function replace(element, ...children) {
  element.replaceChildren(...list(children));
  return element;
}

// After what is there already; what is nothing is left out.
export function add(element, ...children) {
  element.append(...list(children));
  return element;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...list(children));
  return element;
}

const list = (children) =>
  children.flat(Infinity).filter((child) => child != null && child !== false && child !== "");
