// Addresses of pages: #/jobs?state=running, #/jobs/ID, #/optimizers/NAME/versions/3.

export function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const steps = path.split("/").filter(Boolean).map(decode);
  return { steps, query: new URLSearchParams(query) };
}

export const address = (...steps) => `#/${steps.map(encodeURIComponent).join("/")}`;
export const go = (...steps) => {
  location.hash = address(...steps);
};

// Say in the address what is shown, without a step in the history.
export function note(values) {
  const { steps, query } = read();
  for (const [name, value] of Object.entries(values)) {
    if (value == null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(null, "", `${address(...steps)}${text ? `?${text}` : ""}`);
}

function decode(step) {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}
