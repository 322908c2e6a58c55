/** What settings say of single tables and columns: the parsers of `MASK_COLUMNS`, `ROW_FILTER` and `MESSAGE_KEY_COLUMNS`. */

export const MASK_KINDS = ['redact', 'hash', 'null'] as const;
export type MaskKind = (typeof MASK_KINDS)[number];

const MASK = /^([^.]+\.[^.]+\.[^.:]+)(?::(redact|hash|null))?$/;
const TABLE = /^[^.:]+\.[^.:]+$/;
const QUOTES = new Set(["'", '"']);

/** `schema.table.column` with `:redact` (what holds without it), `:hash` or `:null`; undefined for anything else. */
export function parseMask(item: string): { readonly path: string; readonly kind: MaskKind } | undefined {
  const [, path, kind = 'redact'] = MASK.exec(item) ?? [];
  return path === undefined ? undefined : { path, kind: kind as MaskKind };
}

/** `schema.table: <condition>; schema.other: <condition>` by table; undefined for anything else. A `;` in quotes divides nothing. */
export function parseRowFilters(text: string): ReadonlyMap<string, string> | undefined {
  return parseTables(splitOutsideQuotes(text), (condition) => condition);
}

/** `schema.table:column,column;schema.other:column` by table; undefined for anything else. */
export function parseKeyColumns(text: string): ReadonlyMap<string, readonly string[]> | undefined {
  return parseTables(text.split(';'), (columns) => {
    const names = columns.split(',').map((name) => name.trim());
    return names.includes('') || new Set(names).size < names.length ? undefined : names;
  });
}

function parseTables<T>(parts: readonly string[], parse: (text: string) => T | undefined): ReadonlyMap<string, T> | undefined {
  const found = new Map<string, T>();
  for (const part of parts.map((text) => text.trim()).filter((text) => text !== '')) {
    const colon = part.indexOf(':');
    const table = part.slice(0, Math.max(colon, 0)).trim();
    const rest = part.slice(colon + 1).trim();
    const parsed = rest === '' ? undefined : parse(rest);
    if (!TABLE.test(table) || parsed === undefined || found.has(table)) return undefined;
    found.set(table, parsed);
  }
  return found;
}

function splitOutsideQuotes(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quote: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (quote !== undefined) {
      if (char === quote) quote = undefined;
    } else if (QUOTES.has(char)) {
      quote = char;
    } else if (char === ';') {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, text.slice(start)];
}
