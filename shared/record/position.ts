/**
 * A place in a source's log: which transaction, and how far into it.
 *
 * `transaction` is opaque to all but its source, with one promise: of two transactions of one source, the one that
 * was committed later has the greater text (plain comparison of code units). `ordinal` counts within the transaction:
 * 0 is its begin, 1 its first row change, and so on; its commit has the ordinal after its last change.
 */
export interface SourcePosition {
  readonly transaction: string;
  readonly ordinal: number;
}

export function comparePositions(a: SourcePosition, b: SourcePosition): number {
  if (a.transaction !== b.transaction) return a.transaction < b.transaction ? -1 : 1;
  return a.ordinal - b.ordinal;
}

/** `<transaction>#<ordinal>`, as records and logs carry it. */
export function formatPosition(position: SourcePosition): string {
  return `${position.transaction}#${position.ordinal}`;
}

/** The inverse of `formatPosition`; undefined where the text is none. */
export function parsePosition(text: string): SourcePosition | undefined {
  const hash = text.lastIndexOf('#');
  const ordinal = Number(text.slice(hash + 1));
  if (hash < 1 || hash === text.length - 1 || !Number.isSafeInteger(ordinal) || ordinal < 0) return undefined;
  return { transaction: text.slice(0, hash), ordinal };
}
