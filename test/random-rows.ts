import fc from 'fast-check';
import type { DataType } from '../shared/record/data-type.ts';
import { type ColumnDef, TableSchema } from '../shared/record/table-schema.ts';
import type { Value } from '../shared/record/value.ts';

const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;
const DAY_MICROS = 86_400_000_000;

export interface RandomTable {
  readonly table: TableSchema;
  readonly rows: readonly (readonly Value[])[];
}

/** A table of any types, key columns anywhere, and some rows of it. */
export function randomTables(): fc.Arbitrary<RandomTable> {
  const columns = fc.uniqueArray(randomColumn(), { minLength: 1, maxLength: 8, selector: ({ name }) => name });
  return columns.chain((defs) => randomKey(defs).chain((key) => rowsOf(defs, key)));
}

/** Any type that a column can have. */
export function randomTypes(): fc.Arbitrary<DataType> {
  const flat = flatTypes();
  return fc.oneof({ weight: 5, arbitrary: flat }, { weight: 1, arbitrary: flat.map((element): DataType => ({ kind: 'array', element })) });
}

/** A value of a type, as `Value` describes it. */
export function randomValues(type: DataType): fc.Arbitrary<Value> {
  switch (type.kind) {
    case 'boolean':
      return fc.boolean();
    case 'int16':
      return fc.integer({ min: -32_768, max: 32_767 });
    case 'int32':
    case 'date':
      return fc.integer({ min: -2_147_483_648, max: 2_147_483_647 });
    case 'int64':
      return int64s().map(asValue);
    case 'uint64':
      return fc.bigInt({ min: 0n, max: UINT64_MAX }).map(String);
    case 'float32':
      return fc.float();
    case 'float64':
      return fc.double();
    case 'decimal':
      return fc
        .bigInt({ min: 1n - 10n ** BigInt(type.precision), max: 10n ** BigInt(type.precision) - 1n })
        .map((unscaled) => decimalText(unscaled, type.scale));
    case 'numeric':
      return fc.constantFrom('NaN', 'Infinity', '-Infinity', '0.10', `-${'9'.repeat(300)}.5`);
    case 'enum':
      return fc.constantFrom(...type.values);
    case 'bytes':
      return fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    case 'time':
      return fc.integer({ min: 0, max: DAY_MICROS - 1 }).map((micros) => (type.unit === 'millis' ? micros - (micros % 1000) : micros));
    case 'timestamp':
    case 'timestampTz':
      return int64s().map((wire) => asValue(type.unit === 'millis' ? wire * 1000n : wire));
    case 'array':
      return fc.array(fc.option(randomValues(type.element)), { maxLength: 20 });
    case 'string':
    case 'text':
    case 'json':
    case 'jsonb':
    case 'uuid':
      return fc.string({ unit: 'grapheme', maxLength: 100 });
  }
}

/** A decimal's text with exactly `scale` digits after the point. */
export function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return unscaled < 0n ? `-${text}` : text;
}

function flatTypes(): fc.Arbitrary<DataType> {
  const plain = (
    ['boolean', 'int16', 'int32', 'int64', 'uint64', 'float32', 'float64', 'numeric', 'string', 'text', 'bytes', 'json', 'jsonb', 'uuid', 'date'] as const
  ).map((kind): DataType => ({ kind }));
  const temporal = (['time', 'timestamp', 'timestampTz'] as const).flatMap((kind): DataType[] => [
    { kind, unit: 'micros' },
    { kind, unit: 'millis' },
  ]);
  const decimal = fc
    .integer({ min: 1, max: 100 })
    .chain((precision) => fc.integer({ min: 0, max: precision }).map((scale): DataType => ({ kind: 'decimal', precision, scale })));
  const labels = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 });
  return fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...plain, ...temporal) },
    { weight: 2, arbitrary: decimal },
    { weight: 1, arbitrary: labels.map((values): DataType => ({ kind: 'enum', values })) },
  );
}

function randomColumn(): fc.Arbitrary<ColumnDef> {
  const name = fc
    .oneof(fc.stringMatching(/^[a-z_][a-z0-9_]{0,10}$/), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }))
    .filter((text) => !isProtoLike(text));
  return fc.record({ name, dataType: randomTypes(), nullable: fc.boolean(), nativeType: fc.constant('native') });
}

/** Key columns in an order of their own; an array is never one. */
function randomKey(columns: readonly ColumnDef[]): fc.Arbitrary<readonly number[]> {
  const candidates = columns.flatMap(({ dataType }, index) => (dataType.kind === 'array' ? [] : [index]));
  return fc.shuffledSubarray(candidates, { maxLength: Math.min(3, candidates.length) });
}

function rowsOf(columns: readonly ColumnDef[], key: readonly number[]): fc.Arbitrary<RandomTable> {
  const table = new TableSchema({ database: 'shop', schema: 'public', name: 'things', columns, key });
  const row = fc.tuple(...columns.map(({ dataType }, index) => (key.includes(index) ? randomValues(dataType) : fc.option(randomValues(dataType)))));
  return fc.array(row, { minLength: 1, maxLength: 5 }).map((rows) => ({ table, rows }));
}

function int64s(): fc.Arbitrary<bigint> {
  const near = fc
    .constantFrom(0n, 2n ** 30n, 2n ** 31n, 2n ** 52n, 2n ** 53n, INT64_MAX)
    .chain((edge) => fc.bigInt({ min: -3n, max: 3n }).map((step) => clamp(edge + step)));
  return fc.oneof(
    near,
    near.map((value) => clamp(-value)),
    fc.bigInt({ min: -INT64_MAX - 1n, max: INT64_MAX }),
  );
}

function clamp(value: bigint): bigint {
  return value > INT64_MAX ? INT64_MAX : value < -INT64_MAX - 1n ? -INT64_MAX - 1n : value;
}

/** A number while it is a safe integer, a bigint beyond. */
function asValue(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Plain JavaScript objects, which avsc and kafkajs give records and headers as, cannot hold this one name. */
export function isProtoLike(name: string): boolean {
  return name.replaceAll(/[^A-Za-z0-9_]/g, '_') === '__proto__';
}
