import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomTables } from '../test/random-rows.ts';
import { isCdcError } from '../shared/errors/cdc-error.ts';
import type { RowRecord } from '../shared/record/record.ts';
import { RowWriter } from '../shared/record/row-writer.ts';
import { TableSchema } from '../shared/record/table-schema.ts';
import type { Value } from '../shared/record/value.ts';
import { EnvelopeDecoder } from './envelope-decoder.ts';
import { EnvelopeEncoder } from './envelope-encoder.ts';

const TOPIC = 'shop.public.things';

function envelopeOf(table: TableSchema, values: readonly Value[]): Buffer {
  const encoder = new EnvelopeEncoder({ table, keySchemaId: 1, valueSchemaId: 2, connector: 'c', sourceName: 's', version: 'v' });
  const row = new RowWriter().row(table, values);
  const scope = { xid: '7', isSnapshot: false, committedAtMicros: 5, positionPrefix: 'p', transactionId: null };
  const fields = { op: 'u', before: row, after: row, ordinal: 3, handledAtMs: 4, rowVersion: 6, totalOrder: 0, collectionOrder: 0 } as const;
  const { bytes, start, end } = encoder.value(scope, fields);
  return Buffer.from((bytes as Buffer).subarray(start + 5, end));
}

/** Reads all that a sink may ask for. */
function readWhole(decoder: EnvelopeDecoder, bytes: Buffer): void {
  const { position, ...record } = decoder.decode(bytes, 0);
  expect(position).toBeDefined();
  for (const image of [(record as RowRecord).before, (record as RowRecord).after]) image?.keyText();
}

function outcome(action: () => void): string {
  try {
    action();
    return 'fine';
  } catch (error) {
    if (!isCdcError(error, 'PARSE_FAILED')) throw error;
    return error.code;
  }
}

test('a record that ends too early is PARSE_FAILED, wherever it ends', () => {
  fc.assert(
    fc.property(randomTables(), fc.nat(), ({ table, rows }, cut) => {
      const whole = envelopeOf(table, rows[0] ?? []);
      const decoder = new EnvelopeDecoder(table, TOPIC);
      expect(outcome(() => readWhole(decoder, whole))).toBe('fine');
      expect(outcome(() => readWhole(decoder, whole.subarray(0, cut % whole.length)))).toBe('PARSE_FAILED');
    }),
    { numRuns: 100 },
  );
});

test('any bytes are a record, or PARSE_FAILED', () => {
  fc.assert(
    fc.property(randomTables(), fc.uint8Array({ maxLength: 200 }), ({ table }, bytes) => {
      outcome(() => readWhole(new EnvelopeDecoder(table, TOPIC), Buffer.from(bytes)));
    }),
    { numRuns: 250 },
  );
});

test('a record with a few wrong bytes is a record, or PARSE_FAILED', () => {
  fc.assert(
    fc.property(randomTables(), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 }), ({ table, rows }, mistakes) => {
      const bytes = envelopeOf(table, rows[0] ?? []);
      for (const [at, byte] of mistakes) bytes[at % bytes.length] = byte;
      outcome(() => readWhole(new EnvelopeDecoder(table, TOPIC), bytes));
    }),
    { numRuns: 250 },
  );
});

const TABLE = new TableSchema({
  database: 'd',
  schema: 'public',
  name: 'things',
  columns: [{ name: 'id', dataType: { kind: 'text' }, nullable: false, nativeType: 'text' }],
  key: [0],
});

test('a record does not read on into the one behind it', () => {
  const bytes = envelopeOf(TABLE, ['a']);
  const decoder = new EnvelopeDecoder(TABLE, TOPIC);
  const two = Buffer.concat([bytes, bytes]);
  expect(decoder.decode(two, 0, bytes.length)).toMatchObject({ version: 6 });
  expect(outcome(() => decoder.decode(two, 0, bytes.length - 1))).toBe('PARSE_FAILED');
  expect(outcome(() => decoder.decode(two, 0))).toBe('PARSE_FAILED');
});

test('what is wrong names the topic, and no value', () => {
  const wrong = envelopeOf(TABLE, ['geheim']).subarray(0, 20);
  expect(() => new EnvelopeDecoder(TABLE, TOPIC).decode(wrong, 0)).toThrow(/^A record of shop\.public\.things does not have the layout of its schema\.$/);
});

test('a record reads its own rows, also when others were read since', () => {
  const decoder = new EnvelopeDecoder(TABLE, TOPIC);
  const records = ['a', 'b', 'c'].map((id) => decoder.decode(envelopeOf(TABLE, [id]), 0) as RowRecord);
  expect(records.map(({ after, position }) => [after?.values(), position.ordinal])).toEqual([
    [['a'], 3],
    [['b'], 3],
    [['c'], 3],
  ]);
});
