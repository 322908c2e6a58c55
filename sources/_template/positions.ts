import type { SourcePosition } from '../../shared/record/position.ts';

/** A transaction is named by the place of its begin in the log, with zeros before it: so later ones compare greater. */
export function formatPlace(place: number): string {
  return String(place).padStart(16, '0');
}

export function parsePlace({ transaction }: SourcePosition): number {
  return Number(transaction);
}
