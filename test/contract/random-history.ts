import type { CdcRecord } from '../../shared/record/record.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';
import type { Changes, Values } from './records.ts';

/** Numbers below a limit, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

export interface History {
  readonly records: readonly CdcRecord[];
  /** The rows of the source at its end. */
  readonly rows: readonly Values[];
}

/**
 * Changes of a table (id, name, body), as a source gives them: with keys that come again, with bodies that were not
 * sent, and with a TRUNCATE now and then. Without a key every old row comes whole, and rows may be equal.
 */
export function randomHistory(changes: Changes, length: number, random: (limit: number) => number): History {
  const isKeyless = changes.table.key.length === 0;
  let rows: Values[] = [];
  const records: CdcRecord[] = [];
  while (records.length < length) {
    const dice = random(100);
    const at = random(rows.length + 1);
    const old = rows[at];
    if (dice === 0) {
      records.push(changes.truncate());
      rows = [];
    } else if (old === undefined || dice < 40) {
      const row: Values = { id: newId(rows, isKeyless, random), name: `n${random(3)}`, body: body(random) };
      if (!isKeyless && rows.some(({ id }) => id === row['id'])) continue;
      records.push(changes.insert(row));
      rows.push(row);
    } else if (dice < 75) {
      const row: Values = { ...old, name: `n${random(3)}`, body: random(2) === 0 ? (old['body'] ?? null) : body(random) };
      const isSent = row['body'] !== old['body'] || random(2) === 0;
      records.push(changes.update(isSent ? row : { ...row, body: UNCHANGED }, isKeyless ? old : null));
      rows[at] = row;
    } else {
      records.push(changes.delete(isKeyless ? old : { id: old['id'] ?? null }));
      rows.splice(at, 1);
    }
  }
  return { records, rows };
}

function newId(rows: readonly Values[], isKeyless: boolean, random: (limit: number) => number): number {
  return random(isKeyless ? 4 : 20 + rows.length);
}

function body(random: (limit: number) => number): Value {
  return random(4) === 0 ? null : `b${random(3)}`.repeat(1 + random(50));
}
