const MICROS_A_DAY = 86_400_000_000n;
/** The years that ISO's form has in four digits, with room to spare: what lies beyond is an infinity of the database. */
const LARGEST_MS = 8.64e15;

/** Microseconds since 1970, or since midnight for `time`, in ISO's form; the fraction only where there is one. */
export function formatMicros(micros: bigint, form: 'date' | 'time' | 'local' | 'instant'): string {
  const days = form === 'time' ? 0n : floorDivide(micros, MICROS_A_DAY);
  const rest = micros - days * MICROS_A_DAY;
  const ms = Number(days) * 86_400_000;
  if (Math.abs(ms) > LARGEST_MS) return ms > 0 ? 'infinity' : '-infinity';
  const date = new Date(ms).toISOString().replace(/T.*/, '');
  if (form === 'date') return date;
  const time = `${new Date(Number(rest / 1000n)).toISOString().slice(11, 19)}${fraction(rest % 1_000_000n)}`;
  if (form === 'time') return rest === MICROS_A_DAY ? '24:00:00' : time;
  return `${date}T${time}${form === 'instant' ? 'Z' : ''}`;
}

function fraction(micros: bigint): string {
  const digits = String(micros).padStart(6, '0').replace(/0+$/, '');
  return digits === '' ? '' : `.${digits}`;
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}
