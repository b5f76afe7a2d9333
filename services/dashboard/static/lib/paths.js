// Values within nested objects, by dotted path: a spec and what a person changed about it.

export function find(object, path) {
  return path.reduce((value, step) => (value == null ? undefined : value[step]), object);
}

export function set(object, path, value) {
  const last = path.at(-1);
  const parent = path.slice(0, -1).reduce((inner, step) => (inner[step] ??= {}), object);
  parent[last] = value;
}

// Take a value out, and objects that are empty then.
export function unset(object, path) {
  const parent = find(object, path.slice(0, -1));
  if (parent == null) return;
  delete parent[path.at(-1)];
  if (path.length > 1 && !Object.keys(parent).length) unset(object, path.slice(0, -1));
}

export const isObject = (value) => value != null && typeof value === "object" && !Array.isArray(value);

// The changes laid over a base; an object of another kind replaces the base's.
export function overlay(base, changes) {
  if (!isObject(base) || !isObject(changes)) return changes === undefined ? base : changes;
  const isOtherKind = changes.kind !== undefined && changes.kind !== base.kind;
  const merged = isOtherKind ? {} : { ...base };
  for (const [name, value] of Object.entries(changes)) merged[name] = overlay(merged[name], value);
  return merged;
}

// A JSON merge patch (RFC 7396) that makes `to` of `from`.
export function makePatch(from, to) {
  const patch = {};
  for (const name of Object.keys(from)) if (!(name in to)) patch[name] = null;
  for (const [name, value] of Object.entries(to)) {
    if (JSON.stringify(value) === JSON.stringify(from[name])) continue;
    patch[name] = isObject(value) && isObject(from[name]) ? makePatch(from[name], value) : value;
  }
  return patch;
}
