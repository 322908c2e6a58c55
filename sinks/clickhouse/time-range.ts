/** The dates and timestamps that a server keeps and shows right: days and microseconds since 1970. */
export interface TimeRange {
  readonly firstDay: number;
  readonly lastDay: number;
}

const MICROS_PER_DAY = 86_400_000_000n;

/** What ClickHouse documents for Date32 and DateTime64: 1900-01-01 to 2299-12-31. */
export const DOCUMENTED_RANGE: TimeRange = { firstDay: -25_567, lastDay: 120_529 };

/** What newer servers hold: 0000-01-01 to 9999-12-31. */
export const WIDE_RANGE: TimeRange = { firstDay: -719_528, lastDay: 2_932_896 };

export function firstMicros(range: TimeRange): bigint {
  return BigInt(range.firstDay) * MICROS_PER_DAY;
}

export function lastMicros(range: TimeRange): bigint {
  return BigInt(range.lastDay + 1) * MICROS_PER_DAY - 1n;
}

/** Microseconds since midnight as text: `HH:MM:SS`, with as many digits of a fraction as it has. */
export function timeText(micros: number): string {
  const size = Math.abs(micros);
  const fraction = size % 1_000_000;
  const seconds = (size - fraction) / 1_000_000;
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, '0')).join(':');
  const digits = fraction === 0 ? '' : `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
  return `${micros < 0 ? '-' : ''}${clock}${digits}`;
}
