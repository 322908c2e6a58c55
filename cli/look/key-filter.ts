/**
 * Whether a decoded key is the one that is looked for: given as its values in the order of the key, with commas
 * between, or as a JSON object of some of its columns.
 */
export function matchesKey(key: unknown, wanted: string): boolean {
  if (typeof key !== 'object' || key === null) return false;
  const columns = new Map(Object.entries(key).map(([name, value]) => [name, String(value)]));
  const object = parseObject(wanted);
  if (object === undefined) return [...columns.values()].join(',') === wanted;
  return Object.entries(object).every(([name, value]) => columns.get(name) === String(value));
}

function parseObject(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
