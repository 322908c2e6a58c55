import avsc from 'avsc';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DataType } from '../../shared/record/data-type.ts';
import { TableSchema } from '../../shared/record/table-schema.ts';
import { controlSchemas } from './control-schemas.ts';
import { buildEnvelopeSchema, buildKeySchema } from './table-schemas.ts';

/**
 * The schemas that are registered, letter for letter: what consumers have compiled against. A change here is a change of
 * the public contract; `vitest run --project unit -u topics/avro/golden.test.ts` writes it down.
 */
const FOLDER = join(import.meta.dirname, 'golden');
const TOPIC = 'shop.public.all_types';

const COLUMNS: readonly (readonly [name: string, native: string, type: DataType])[] = [
  ['line', 'smallint', { kind: 'int16' }],
  ['id', 'bigint', { kind: 'int64' }],
  ['a_boolean', 'boolean', { kind: 'boolean' }],
  ['an_int32', 'integer', { kind: 'int32' }],
  ['a_uint64', 'bigint unsigned', { kind: 'uint64' }],
  ['a_float32', 'real', { kind: 'float32' }],
  ['a_float64', 'double precision', { kind: 'float64' }],
  ['a_decimal', 'numeric(12,2)', { kind: 'decimal', precision: 12, scale: 2 }],
  ['a_numeric', 'numeric', { kind: 'numeric' }],
  ['a_string', 'character varying(40)', { kind: 'string' }],
  ['a_text', 'text', { kind: 'text' }],
  ['an_enum', 'mood', { kind: 'enum', values: ['sad', 'ok', 'happy'] }],
  ['some_bytes', 'bytea', { kind: 'bytes' }],
  ['a_json', 'json', { kind: 'json' }],
  ['a_jsonb', 'jsonb', { kind: 'jsonb' }],
  ['a_uuid', 'uuid', { kind: 'uuid' }],
  ['a_date', 'date', { kind: 'date' }],
  ['a_time', 'time without time zone', { kind: 'time', unit: 'micros' }],
  ['a_timestamp', 'timestamp without time zone', { kind: 'timestamp', unit: 'micros' }],
  ['a_timestamptz', 'timestamp with time zone', { kind: 'timestampTz', unit: 'micros' }],
  ['a_time_millis', 'time without time zone', { kind: 'time', unit: 'millis' }],
  ['a_timestamp_millis', 'timestamp without time zone', { kind: 'timestamp', unit: 'millis' }],
  ['a_timestamptz_millis', 'timestamp with time zone', { kind: 'timestampTz', unit: 'millis' }],
  ['some_texts', 'text[]', { kind: 'array', element: { kind: 'text' } }],
  ['some_decimals', 'numeric(12,2)[]', { kind: 'array', element: { kind: 'decimal', precision: 12, scale: 2 } }],
  ['größe in cm', 'integer', { kind: 'int32' }],
  ['2nd', 'integer', { kind: 'int32' }],
];

const ALL_TYPES = new TableSchema({
  database: 'shop',
  schema: 'public',
  name: 'all_types',
  columns: COLUMNS.map(([name, nativeType, dataType], index) => ({ name, nativeType, dataType, nullable: index > 2 })),
  key: [1, 0],
});

const SCHEMAS: Readonly<Record<string, unknown>> = {
  'table-key': buildKeySchema(ALL_TYPES, TOPIC),
  'table-envelope': buildEnvelopeSchema(ALL_TYPES, TOPIC),
  ...Object.fromEntries(
    (['transaction', 'heartbeat', 'schema-changes', 'signals', 'positions'] as const).flatMap((kind) => {
      const { key, value } = controlSchemas(`shop.${kind}`, kind);
      return [
        [`${kind}-key`, key],
        [`${kind}-value`, value],
      ];
    }),
  ),
};

describe('the schemas that are registered', () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    test(`${name} is as golden/${name}.avsc has it`, async () => {
      await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(join(FOLDER, `${name}.avsc`));
    });

    test(`${name} is a schema that avsc takes`, () => {
      expect(() => avsc.Type.forSchema(schema as avsc.Schema, { registry: {} })).not.toThrow();
    });
  }

  test('the folder holds nothing else', () => {
    expect(readdirSync(FOLDER).toSorted()).toEqual(
      Object.keys(SCHEMAS)
        .map((name) => `${name}.avsc`)
        .toSorted(),
    );
  });

  test('the table has a column of every type', () => {
    expect(new Set(COLUMNS.map(([, , { kind }]) => kind)).size).toBe(21);
  });
});
