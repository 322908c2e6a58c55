import avsc from 'avsc';
import { expect, test } from 'vitest';
import { readableJson, toReadable } from './readable.ts';
import { RecordReader } from './record-reader.ts';
import { frame } from './wire-format.ts';

const decimal = { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 };

test.each<[unknown, unknown, unknown]>([
  ['int', 7, 7],
  ['long', 7n, 7],
  ['long', 2n ** 62n, 2n ** 62n],
  ['string', 'x', 'x'],
  [['null', 'string'], null, null],
  [['null', decimal], Buffer.from([0xff, 0x38]), '-2.00'],
  [decimal, Buffer.from([5]), '0.05'],
  [{ ...decimal, scale: 0 }, Buffer.from([1, 0]), '256'],
  ['bytes', Buffer.from([0, 255]), '00ff'],
  [{ type: 'int', logicalType: 'date' }, -1, '1969-12-31'],
  [{ type: 'int', logicalType: 'date' }, 2 ** 31 - 1, 'infinity'],
  [{ type: 'int', logicalType: 'time-millis' }, 1500, '00:00:01.5'],
  [{ type: 'long', logicalType: 'time-micros' }, 86_399_000_001n, '23:59:59.000001'],
  [{ type: 'long', logicalType: 'time-micros' }, 86_400_000_000n, '24:00:00'],
  [{ type: 'long', logicalType: 'timestamp-micros' }, -500_000n, '1969-12-31T23:59:59.5Z'],
  [{ type: 'long', logicalType: 'timestamp-micros' }, -(2n ** 63n), '-infinity'],
  [{ type: 'long', logicalType: 'timestamp-millis' }, 1n, '1970-01-01T00:00:00.001Z'],
  [{ type: 'long', logicalType: 'local-timestamp-micros' }, 0n, '1970-01-01T00:00:00'],
  [{ type: 'array', items: ['null', 'long'] }, [1n, null], [1, null]],
])('of type %j, %o is read as %o', (schema, value, expected) => {
  expect(toReadable(schema, value)).toEqual(expected);
});

test('JSON has every digit', () => {
  expect(readableJson({ a: 9007199254740993n, b: [1, 'x'] })).toBe('{"a":9007199254740993,"b":[1,"x"]}');
});

test('a record is read with the schema that it names, nested ones and large numbers included', async () => {
  const row = {
    type: 'record',
    name: 'Row',
    fields: [
      { name: 'id', type: 'long' },
      { name: 'total', type: ['null', decimal], default: null },
    ],
  };
  const schema = {
    type: 'record',
    name: 'Envelope',
    fields: [
      { name: 'after', type: ['null', row], default: null },
      { name: 'before', type: ['null', 'Row'], default: null },
    ],
  };
  const type = avsc.Type.forSchema(schema as avsc.Schema, { registry: {} });
  const reader = new RecordReader({ schema: async () => schema });
  const bytes = frame(3, type.toBuffer({ after: { id: 2 ** 52, total: Buffer.from([100]) }, before: { id: 1, total: null } }));
  expect(await reader.read(bytes, 't')).toEqual({ after: { id: 2 ** 52, total: '1.00' }, before: { id: 1, total: null } });
  await expect(reader.read(bytes.subarray(0, -1), 't')).rejects.toMatchObject({ code: 'PARSE_FAILED' });
  expect(await reader.read(null, 't')).toBeNull();
});
