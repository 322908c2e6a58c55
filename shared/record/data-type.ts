/**
 * The neutral column types that every source maps to and every sink maps from.
 *
 * `unit` of a temporal type is how it travels in a row; a decoded `Value` is always in microseconds.
 */
export type DataType =
  | { readonly kind: 'boolean' }
  | { readonly kind: 'int16' }
  | { readonly kind: 'int32' }
  | { readonly kind: 'int64' }
  | { readonly kind: 'uint64' }
  | { readonly kind: 'float32' }
  | { readonly kind: 'float64' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  /** A number of any precision, or NaN or an infinity, in decimal text. */
  | { readonly kind: 'numeric' }
  /** Text with a declared length, or any other type in the database's own text form. */
  | { readonly kind: 'string' }
  | { readonly kind: 'text' }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'json' }
  | { readonly kind: 'jsonb' }
  | { readonly kind: 'uuid' }
  | { readonly kind: 'date' }
  | { readonly kind: 'time'; readonly unit: TimeUnit }
  | { readonly kind: 'timestamp'; readonly unit: TimeUnit }
  | { readonly kind: 'timestampTz'; readonly unit: TimeUnit }
  | { readonly kind: 'array'; readonly element: DataType };

export type TimeUnit = 'micros' | 'millis';

/** How one value of a type is laid out in a row's bytes: the primitives of the Avro specification. */
export type Encoding = 'boolean' | 'int' | 'long' | 'float' | 'double' | 'decimal' | 'string' | 'bytes' | 'array';

const ENCODINGS: Record<DataType['kind'], Encoding> = {
  boolean: 'boolean',
  int16: 'int',
  int32: 'int',
  int64: 'long',
  uint64: 'decimal',
  float32: 'float',
  float64: 'double',
  decimal: 'decimal',
  numeric: 'string',
  string: 'string',
  text: 'string',
  enum: 'string',
  bytes: 'bytes',
  json: 'string',
  jsonb: 'string',
  uuid: 'string',
  date: 'int',
  time: 'long',
  timestamp: 'long',
  timestampTz: 'long',
  array: 'array',
};

/** Whether something that was read is a type that this version knows; a later one may have more. */
export function isDataType(value: unknown): value is DataType {
  const { kind, element } = (value ?? {}) as { readonly kind?: unknown; readonly element?: unknown };
  if (typeof kind !== 'string' || !Object.hasOwn(ENCODINGS, kind)) return false;
  return kind !== 'array' || isDataType(element);
}

export function encodingOf(type: DataType): Encoding {
  if (type.kind === 'time' && type.unit === 'millis') return 'int';
  return ENCODINGS[type.kind];
}

/** Digits after the decimal point of a type that travels as an unscaled integer. */
export function scaleOf(type: DataType): number {
  return type.kind === 'decimal' ? type.scale : 0;
}

/** Whether values of this type travel in thousandths of a second instead of millionths. */
export function isMillis(type: DataType): boolean {
  return 'unit' in type && type.unit === 'millis';
}
