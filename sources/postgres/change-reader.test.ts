import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isCdcError } from '../../shared/errors/cdc-error.ts';
import type { CdcRecord } from '../../shared/record/record.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import { capturedMessages } from '../../test/contract/captured.ts';
import { column, RULES } from '../../test/contract/postgres-tables.ts';
import { valuesOf } from '../../test/contract/replay.ts';
import { toRelationVersion } from './catalog.ts';
import { ChangeReader, type ReaderHooks } from './change-reader.ts';
import { MESSAGE, type RelationMessage } from './parser.ts';
import { Relation } from './relation.ts';

const captured = capturedMessages();

const TYPES = new Map([
  [23, 'int4'],
  [25, 'text'],
  [1043, 'varchar'],
  [1700, 'numeric'],
  [1007, 'int4[]'],
]);

/** What the source's catalogue would make of a Relation message. */
function resolve(message: RelationMessage): Relation {
  const types = message.columns.map(({ typeId, typeModifier, name }) => column({ name, type: TYPES.get(typeId) ?? 'text', typeId, typeModifier }));
  const version = toRelationVersion(message, { tables: [], types }, RULES);
  if (version === undefined) throw new Error(`no version of ${message.name}`);
  return new Relation(version.table, version.columns);
}

function newReader(hooks: Partial<ReaderHooks> = {}): ChangeReader {
  return new ChangeReader({
    resolve,
    stopOf: () => undefined,
    onStop: () => undefined,
    onMessage: () => undefined,
    onChange: () => true,
    onTruncate: () => true,
    onCommit: () => undefined,
    ...hooks,
  });
}

function readAll(hooks: Partial<ReaderHooks> = {}, messages = captured): CdcRecord[] {
  const reader = newReader(hooks);
  for (const bytes of messages) void reader.read(bytes);
  return reader.take().records;
}

const summary = (records: readonly CdcRecord[]) =>
  records.map((record) => `${record.position.ordinal} ${record.kind}${'table' in record ? ` ${record.table.name}` : ''}`);

describe('captured transactions', () => {
  test('become records in their order, numbered from their begin', () => {
    expect(summary(readAll())).toEqual([
      ...['0 begin', '1 insert plain', '2 insert plain', '3 update plain', '4 update plain', '5 delete plain', '6 commit'],
      ...['0 begin', '1 insert other', '2 commit'],
      ...[
        '0 begin',
        '1 insert whole',
        '2 insert whole',
        '3 update whole',
        '4 delete whole',
        '5 truncate plain',
        '6 truncate whole',
        '7 truncate other',
        '8 commit',
      ],
      ...['0 begin', '1 insert plain', '2 commit'],
      ...['0 begin', '1 commit'],
    ]);
  });

  test('carry values, unchanged ones and old rows', () => {
    const rows = readAll().flatMap((record) =>
      'after' in record ? [[record.kind, record.before && valuesOf(record.before), record.after && valuesOf(record.after)]] : [],
    );
    const one = { id: 1, name: 'žluť', price: '12.50', big: 'x'.repeat(3000) };
    const none = { name: null, price: null, big: null };
    expect(rows).toEqual([
      ['insert', null, one],
      ['insert', null, { id: 2, name: null, price: '-0.01', big: '' }],
      ['update', null, { ...one, price: '13.00', big: UNCHANGED }],
      ['update', { id: 1, ...none }, { ...one, id: 3, price: '13.00', big: UNCHANGED }],
      ['delete', { id: 2, ...none }, null],
      ['insert', null, { id: 1 }],
      ['insert', null, { a: 1, b: 'sad' }],
      ['insert', null, { a: null, b: null }],
      ['update', { a: 1, b: 'sad' }, { a: 1, b: 'glad' }],
      ['delete', { a: null, b: null }, null],
      ['insert', null, { id: 4, name: 'four', price: '4.00', big: '4', extra: [4, null] }],
    ]);
  });

  test('have one position each, later ones greater, and their commit time', () => {
    const records = readAll();
    const transactions = [...new Set(records.map(({ position }) => position.transaction))];
    expect(transactions).toHaveLength(5);
    expect(transactions.toSorted()).toEqual(transactions);
    const times = records.flatMap((record) => ('committedAtMicros' in record ? [record.committedAtMicros] : []));
    expect(times.toSorted((a, b) => a - b)).toEqual(times);
  });

  test('tell of their ends, behind their positions', () => {
    const ends: string[] = [];
    const records = readAll({ onCommit: (position, ordinal, endLsn) => ends.push(`${position} ${ordinal} ${endLsn > position}`) });
    expect(ends).toEqual(records.filter(({ kind }) => kind === 'commit').map(({ position }) => `${position.transaction} ${position.ordinal} true`));
  });

  test('an update that moves its row and lacks a value is noted, with the text of its new key', () => {
    const reader = newReader();
    for (const bytes of captured) void reader.read(bytes);
    const { records, incomplete } = reader.take();
    expect(incomplete.map(({ index, key }) => [records[index]?.position.ordinal, key])).toEqual([[4, ['3']]]);
  });

  test('changes that are not wanted are left out and still counted', () => {
    const wanted = summary(readAll()).filter((line) => !line.endsWith('plain'));
    expect(summary(readAll({ resolve: (message) => (message.name === 'plain' ? null : resolve(message)) }))).toEqual(wanted);
    expect(
      summary(
        readAll({ onChange: (_xid, _position, { table }) => table.name !== 'plain', onTruncate: (_xid, _position, { table }) => table.name !== 'plain' }),
      ),
    ).toEqual(wanted);
  });

  test('logical messages go to whom they concern', () => {
    const messages: string[] = [];
    readAll({ onMessage: ({ prefix, content }) => messages.push(`${prefix}: ${content}`) });
    expect(messages).toEqual(['outside: of any: ü', 'inside: a transaction']);
  });
});

describe('reading', () => {
  test('waits where a table has to be asked for', async () => {
    const reader = newReader({ resolve: (message) => Promise.resolve(resolve(message)) });
    expect(reader.read(captured[0] ?? Buffer.alloc(0))).toBeUndefined();
    expect(reader.isInTransaction).toBe(true);
    await reader.read(captured[1] ?? Buffer.alloc(0));
    expect(reader.read(captured[2] ?? Buffer.alloc(0))).toBeUndefined();
    expect(reader.take().records.map(({ kind }) => kind)).toEqual(['begin', 'insert']);
    expect(reader.take()).toEqual({ records: [], incomplete: [], bytes: 0 });
  });

  test('of a change without its table is broken', () => {
    const insert = captured.find((bytes) => bytes[0] === MESSAGE.insert) ?? Buffer.alloc(0);
    expect(() => readAll({}, [insert])).toThrow(expect.objectContaining({ code: 'PARSE_FAILED' }));
  });

  test('of any captured message that was cut, or has one other byte, gives records or a coded error', () => {
    const message = fc.nat({ max: captured.length - 1 });
    fc.assert(
      fc.property(message, fc.nat({ max: 4000 }), fc.option(fc.nat({ max: 255 })), (index, at, byte) => {
        const spoilt = Buffer.from(captured[index] ?? Buffer.alloc(0)).subarray(0, byte === null ? at : undefined);
        if (byte !== null && at < spoilt.length) spoilt[at] = byte;
        const reader = newReader();
        for (const bytes of captured.slice(0, index)) void reader.read(bytes);
        try {
          void reader.read(spoilt);
        } catch (error) {
          expect(isCdcError(error, 'PARSE_FAILED', 'VALUE_OUT_OF_RANGE'), String(error)).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('of random bytes gives a coded error, or nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(...Object.values(MESSAGE)), (bytes, kind) => {
        try {
          readAll({}, [...captured.slice(0, 2), Buffer.from([kind, ...bytes])]);
        } catch (error) {
          expect(isCdcError(error, 'PARSE_FAILED', 'VALUE_OUT_OF_RANGE'), String(error)).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
