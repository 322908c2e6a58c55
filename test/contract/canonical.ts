import type { DataType } from '../../shared/record/data-type.ts';
import type { Value } from '../../shared/record/value.ts';

/** One spelling for a value of a type, so that what targets print can be compared. Null stays null. */
export function canonical(type: DataType, value: Value): string | null {
  if (value === null || typeof value === 'symbol') return null;
  switch (type.kind) {
    case 'bytes':
      return (value as Buffer).toString('hex');
    case 'json':
    case 'jsonb':
      return canonicalJson(value as string);
    case 'date':
      return dateText(value as number);
    case 'time':
      return timeOfDayText(value as number);
    case 'timestamp':
    case 'timestampTz':
      return timestampText(BigInt(value as number | bigint));
    case 'array':
      return JSON.stringify((value as readonly Value[]).map((item) => canonical(type.element, item)));
    default:
      return String(value);
  }
}

/** Keys in order, no blanks: JSON that says the same is spelt the same. */
export function canonicalJson(text: string): string {
  return JSON.stringify(JSON.parse(text), (_name, value: unknown) => (isPlain(value) ? Object.fromEntries(Object.entries(value).sort()) : value));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function dateText(days: number): string {
  return new Date(days * 86_400_000).toISOString().slice(0, -14).replace(/^\+0*/, '');
}

/** `HH:MM:SS.ffffff`. */
export function timeOfDayText(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000);
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, '0'));
  return `${clock.join(':')}.${String(micros % 1_000_000).padStart(6, '0')}`;
}

/** `YYYY-MM-DD HH:MM:SS.ffffff`, in UTC. */
function timestampText(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const millis = Number((micros - fraction) / 1000n);
  return `${new Date(millis).toISOString().slice(0, 19).replace('T', ' ')}.${String(fraction).padStart(6, '0')}`;
}
