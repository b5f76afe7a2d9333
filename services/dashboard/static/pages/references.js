// Versions that a spec may name, newest first: suggested where one is asked for.

import { all } from "../lib/api.js";

export async function listReferences(signal) {
  const optimizers = await all("v1/optimizers?limit=200", signal).catch(() => []);
  return optimizers.flatMap(({ name, latest, aliases }) => [
    `${name}@latest`,
    `${name}@${latest.number}`,
    ...Object.keys(aliases).map((alias) => `${name}@${alias}`),
  ]);
}
