import { formatMicros } from './readable-time.ts';

/** What a decoded value may be: avsc's own, with every long as a bigint. */
type Decoded = unknown;

interface Schema {
  readonly type: unknown;
  readonly name?: string;
  readonly namespace?: string;
  readonly logicalType?: string;
  readonly scale?: number;
  readonly items?: unknown;
  readonly fields?: readonly { readonly name: string; readonly type: unknown }[];
}

/** Records by the names under which a schema may refer to them. */
type Names = ReadonlyMap<string, Schema>;

/**
 * A decoded value as people read it and JSON writes it: decimals and 64-bit integers with all their digits, dates and
 * times in ISO's form, bytes as hexadecimal digits.
 */
export function toReadable(schema: unknown, value: Decoded, names: Names = namesIn(schema, '', new Map())): unknown {
  if (value === null || value === undefined) return null;
  if (Array.isArray(schema))
    return toReadable(
      schema.find((branch) => branch !== 'null'),
      value,
      names,
    );
  if (typeof schema === 'string') return names.has(schema) ? toReadable(names.get(schema), value, names) : toReadable({ type: schema }, value, names);
  const { type, logicalType, scale = 0, items, fields } = schema as Schema;
  if (typeof type === 'object') return toReadable(type, value, names);
  if (fields !== undefined) return recordOf(fields, value as Readonly<Record<string, unknown>>, names);
  if (items !== undefined) return (value as readonly unknown[]).map((item) => toReadable(items, item, names));
  if (Buffer.isBuffer(value)) return logicalType === 'decimal' ? formatDecimal(value, scale) : value.toString('hex');
  if (typeof value === 'bigint' || typeof value === 'number') return numberOf(logicalType, value);
  return value;
}

function recordOf(fields: NonNullable<Schema['fields']>, value: Readonly<Record<string, unknown>>, names: Names): Record<string, unknown> {
  return Object.fromEntries(fields.map(({ name, type }) => [name, toReadable(type, value[name], names)]));
}

function namesIn(schema: unknown, namespace: string, names: Map<string, Schema>): Names {
  if (Array.isArray(schema)) for (const branch of schema) namesIn(branch, namespace, names);
  else if (typeof schema === 'object' && schema !== null) {
    const { type, name, namespace: own = namespace, items, fields } = schema as Schema;
    if (name !== undefined && fields !== undefined) names.set(name, schema as Schema).set(`${own}.${name}`, schema as Schema);
    for (const inner of [type, items, ...(fields ?? []).map((field) => field.type)]) namesIn(inner, own, names);
  }
  return names;
}

function numberOf(logicalType: string | undefined, value: bigint | number): unknown {
  switch (logicalType) {
    case 'date':
      return formatMicros(BigInt(value) * 86_400_000_000n, 'date');
    case 'time-millis':
      return formatMicros(BigInt(value) * 1000n, 'time');
    case 'time-micros':
      return formatMicros(BigInt(value), 'time');
    case 'timestamp-millis':
      return formatMicros(BigInt(value) * 1000n, 'instant');
    case 'timestamp-micros':
      return formatMicros(BigInt(value), 'instant');
    case 'local-timestamp-millis':
      return formatMicros(BigInt(value) * 1000n, 'local');
    case 'local-timestamp-micros':
      return formatMicros(BigInt(value), 'local');
    default:
      return typeof value === 'number' || !isSafe(value) ? value : Number(value);
  }
}

function isSafe(value: bigint): boolean {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
}

/** Two's complement, the first byte the highest. */
function formatDecimal(bytes: Buffer, scale: number): string {
  const unscaled = bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const sign = unscaled < 0n ? '-' : '';
  return scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** JSON with every digit of a bigint. */
export function readableJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? rawNumber(part) : part));
}

/** Node 24 has it; the types do not know it yet. */
function rawNumber(value: bigint): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value));
}
