/** What a query sees, as `pg_current_snapshot()` says it (PostgreSQL manual, 9.27.10). */
export interface Visibility {
  /** All transactions below are over. */
  readonly xmin: bigint;
  /** No transaction from here on is over. */
  readonly xmax: bigint;
  readonly inProgress: ReadonlySet<bigint>;
}

/** The log, and so the stream, has a commit before queries see it: by a moment, or until a synchronous standby has it too. */
export const SEEN_NOW = 'SELECT pg_current_snapshot()::text AS snapshot';

/** Parses `xmin:xmax:xip,xip`. */
export function parseVisibility(text: string): Visibility {
  const [xmin = '0', xmax = '0', list = ''] = text.split(':');
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), inProgress: new Set(list === '' ? [] : list.split(',').map(BigInt)) };
}

/** Whether the changes of a committed transaction are seen. The stream gives the low 32 bits of its number. */
export function isVisible(visibility: Visibility, xid: number): boolean {
  const full = widen(visibility.xmax, xid);
  if (full < visibility.xmin) return true;
  return full < visibility.xmax && !visibility.inProgress.has(full);
}

/** The 64-bit number nearest to `near` with these low 32 bits. */
function widen(near: bigint, xid: number): bigint {
  const candidate = (near & ~0xffffffffn) | BigInt(xid);
  if (candidate - near > 0x7fffffffn) return candidate - 0x100000000n;
  if (near - candidate > 0x80000000n) return candidate + 0x100000000n;
  return candidate;
}
