import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sink } from '../../shared/connector/sink.ts';
import { META_COLUMNS } from '../../shared/connector/sink.ts';
import type { SinkSettings } from '../../shared/config/sink-options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { ErrorCode } from '../../shared/errors/codes.ts';
import type { DataType } from '../../shared/record/data-type.ts';
import type { CdcRecord } from '../../shared/record/record.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';
import { canonical } from './canonical.ts';
import { randomHistory, randomNumbers } from './random-history.ts';
import { Changes, type ColumnSpec, tableOf, type TableSpec, type Values } from './records.ts';

export type ContractSettings = Partial<Pick<SinkSettings, 'DELETE_MODE' | 'SCHEMA_CHANGES' | 'SINK_TABLE'>>;

/** One row of a target as users see it. */
export interface LiveRow {
  /** In canonical spelling (`canonical.ts`), by column; columns of the source only. */
  readonly values: Readonly<Record<string, string | null>>;
  readonly opType: string;
  readonly isDeleted: boolean;
  readonly version: number;
}

/** A real target to test against. Tables that tests make have names of their own, so nothing needs clearing. */
export interface SinkHarness {
  /** A sink on the target, with the connector's defaults otherwise. */
  createSink(settings: ContractSettings): Sink;
  /** What a user sees who queries the target by its plain name, with the columns of `table` that are there, in any order. */
  liveRows(table: TableSchema, targetName: string): Promise<readonly LiveRow[]>;
  close(): Promise<void>;
}

export interface SinkContractOptions {
  readonly name: string;
  open(): Promise<SinkHarness>;
  /** What becomes of an array that is null. */
  readonly nullArray: string | null;
}

/** The promises of `shared/connector/sink.ts`, for any sink, against its real server. */
export function describeSinkContract(options: SinkContractOptions): void {
  describe(`${options.name} keeps the contract of sinks`, () => {
    let harness: SinkHarness;
    let count = 0;
    const run = `${Date.now().toString(36)}`;

    beforeAll(async () => {
      harness = await options.open();
    });
    afterAll(async () => harness?.close());

    const newName = (stem: string) => `${stem}_${run}_${++count}`;

    /** A table of its own for one test, and the sink that writes to it. */
    async function open(spec: Partial<TableSpec> = {}, settings: ContractSettings = {}): Promise<Bench> {
      const table = tableOf({ name: newName('orders'), columns: { id: 'int64', name: 'text', amount: 'decimal' }, key: ['id'], ...spec });
      return new Bench(harness, table, settings);
    }

    describe('connection', () => {
      test('a check of a healthy target finds no error', async () => {
        await using bench = await open();
        const findings = await bench.sink.validateConnection();
        expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
      });

      test('setting up the same table again changes nothing', async () => {
        await using bench = await open();
        await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
        await bench.sink.setup([bench.changes.table]);
        await bench.restart();
        await bench.sink.setup([bench.changes.table]);
        expect(await bench.rows()).toEqual([{ id: '1', name: 'a', amount: null }]);
      });

      test('a batch for a table that was not announced is written all the same', async () => {
        await using bench = await open();
        await bench.sink.writeBatch([bench.changes.insert({ id: 1 })]);
        expect(await bench.keys()).toEqual(['1']);
      });
    });

    describe('batches', () => {
      test('an empty batch writes nothing and says so', async () => {
        await using bench = await open();
        expect(await bench.sink.writeBatch([])).toEqual({ recordsWritten: 0, bytesWritten: 0, lastPosition: null });
      });

      test('inserts, updates and deletes leave the rows that the source has', async () => {
        await using bench = await open();
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1, name: 'a', amount: '1.00' }), changes.read({ id: 2, name: 'b' }), changes.insert({ id: 3, name: 'c' }));
        await bench.write(changes.update({ id: 1, name: 'A', amount: '2.50' }), changes.delete({ id: 3 }));
        expect(await bench.rows()).toEqual([
          { id: '1', name: 'A', amount: '2.50' },
          { id: '2', name: 'b', amount: null },
        ]);
      });

      test('the result counts the rows after merging and names the last position', async () => {
        await using bench = await open();
        const { changes } = bench;
        const records = [changes.insert({ id: 1 }), changes.insert({ id: 2 }), changes.update({ id: 1, name: 'x' })];
        const result = await bench.write(...records);
        expect(result).toMatchObject({ recordsWritten: 2, lastPosition: records[2]?.position });
        expect(result.bytesWritten).toBeGreaterThan(0);
      });

      test('the meta columns say what the last change was, and its version', async () => {
        await using bench = await open();
        const { changes } = bench;
        await bench.write(changes.read({ id: 1 }), changes.insert({ id: 2 }), changes.insert({ id: 3 }));
        await bench.write(changes.update({ id: 3, name: 'x' }));
        const meta = (await bench.live()).map(({ opType, isDeleted, version }) => ({ opType, isDeleted, version: version - changes.version }));
        expect(meta).toEqual([
          { opType: 'r', isDeleted: false, version: -3 },
          { opType: 'c', isDeleted: false, version: -2 },
          { opType: 'u', isDeleted: false, version: 0 },
        ]);
      });

      test('the last of several changes of a key in one batch wins', async () => {
        await using bench = await open();
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1, name: 'a' }), changes.delete({ id: 1 }), changes.insert({ id: 1, name: 'b' }), changes.update({ id: 1, name: 'c' }), changes.insert({ id: 2, name: 'x' }), changes.delete({ id: 2 }));
        expect(await bench.rows()).toEqual([{ id: '1', name: 'c', amount: null }]);
      });

      test('a row that was deleted can be inserted again', async () => {
        await using bench = await open();
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1, name: 'a' }));
        await bench.write(changes.delete({ id: 1 }));
        await bench.write(changes.insert({ id: 1, name: 'b' }));
        expect(await bench.rows()).toEqual([{ id: '1', name: 'b', amount: null }]);
      });

      test('a delete of a row that was never there changes nothing', async () => {
        await using bench = await open();
        await bench.write(bench.changes.insert({ id: 1 }), bench.changes.delete({ id: 2 }));
        expect(await bench.keys()).toEqual(['1']);
      });

      test('a batch of many rows is written whole', async () => {
        await using bench = await open();
        const { changes } = bench;
        await bench.write(...Array.from({ length: 5000 }, (_, id) => changes.insert({ id, name: `row ${id}`, amount: `${id}.25` })));
        const rows = await bench.rows();
        expect(rows.length).toBe(5000);
        expect(rows.find(({ id }) => id === '4321')).toEqual({ id: '4321', name: 'row 4321', amount: '4321.25' });
      });

      test('tables are written in parallel', async () => {
        await using bench = await open();
        const tables = ['a', 'b', 'c'].map((stem) => new Changes(tableOf({ name: newName(stem), columns: { id: 'int64' }, key: ['id'] })));
        await bench.sink.setup(tables.map(({ table }) => table));
        await Promise.all(tables.map(async (changes) => bench.sink.writeBatch([changes.insert({ id: 1 }), changes.insert({ id: 2 })])));
        for (const { table } of tables) expect((await harness.liveRows(table, table.name)).length).toBe(2);
      });
    });

    describe('repeats', () => {
      test('a repeated batch changes nothing, also by another process after a death before the acknowledgement', async () => {
        await using bench = await open();
        const { changes } = bench;
        const batch = [changes.insert({ id: 1, name: 'a' }), changes.insert({ id: 2, name: 'b' }), changes.delete({ id: 2 })];
        await bench.write(...batch);
        const before = await bench.live();
        await bench.write(...batch);
        await bench.restart();
        await bench.write(...batch);
        expect(await bench.live()).toEqual(before);
        expect(await bench.keys()).toEqual(['1']);
      });

      test('a batch that is repeated as part of another one changes nothing', async () => {
        await using bench = await open();
        const { changes } = bench;
        const first = [changes.insert({ id: 1, name: 'a' }), changes.insert({ id: 2, name: 'b' })];
        const second = [changes.update({ id: 1, name: 'A' }), changes.insert({ id: 3, name: 'c' })];
        await bench.write(...first);
        await bench.write(...first.slice(1), ...second);
        expect((await bench.rows()).map(({ name }) => name)).toEqual(['A', 'b', 'c']);
      });

      test('older changes that come again never overwrite newer ones', async () => {
        await using bench = await open();
        const { changes } = bench;
        const history = [changes.insert({ id: 1, name: 'a' }), changes.update({ id: 1, name: 'b' }), changes.update({ id: 1, name: 'c' })];
        for (const record of history) await bench.write(record);
        for (const record of history.slice(0, 2)) {
          await bench.write(record);
          expect((await bench.rows()).map(({ name }) => name)).toEqual(['c']);
        }
      });

      test('older changes do not bring back a row that was deleted since', async () => {
        await using bench = await open();
        const { changes } = bench;
        const history = [changes.insert({ id: 1, name: 'a' }), changes.update({ id: 1, name: 'b' })];
        await bench.write(...history);
        await bench.write(changes.delete({ id: 1 }));
        await bench.restart();
        for (const record of history) {
          await bench.write(record);
          expect(await bench.rows()).toEqual([]);
        }
      });

      test('a delete that comes before older changes keeps the row away', async () => {
        await using bench = await open();
        const insert = bench.changes.insert({ id: 1, name: 'a' });
        await bench.write(bench.changes.delete({ id: 1 }));
        await bench.write(insert);
        expect(await bench.rows()).toEqual([]);
      });
    });

    describe('a random history, delivered with rewinds and restarts, ends as the source', () => {
      test.each([
        { label: 'with a key', key: ['id'], seed: 1 },
        { label: 'with a key, again', key: ['id'], seed: 2 },
        { label: 'without a key', key: [], seed: 3 },
        { label: 'without a key, again', key: [], seed: 4 },
      ])('$label', async ({ key, seed }) => {
        await using bench = await open({ columns: { id: 'int64', name: 'text', body: 'text' }, key });
        const random = randomNumbers(seed);
        const { records, rows } = randomHistory(bench.changes, 300, random);
        for (let at = 0; at < records.length; ) {
          const end = at + 1 + random(30);
          await bench.write(...records.slice(at, end));
          at = random(3) === 0 ? Math.max(0, at - random(60)) : end;
          if (random(5) === 0) await bench.restart();
        }
        const expected = rows.map((row) => bench.changes.table.columns.map(({ name, dataType }) => canonical(dataType, row[name] ?? null)).join('|'));
        const found = (await bench.rows()).map(({ id, name, body }) => [id, name, body].join('|'));
        expect(found.toSorted()).toEqual(expected.toSorted());
      });
    });

    describe('unchanged values', () => {
      const columns = { id: 'int64', name: 'text', body: 'text', tags: { type: { kind: 'array', element: { kind: 'text' } } } } as const;
      const large = 'x'.repeat(10_000);

      test('are taken from the target', async () => {
        await using bench = await open({ columns });
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1, name: 'a', body: large, tags: ['p', null] }), changes.insert({ id: 2, name: 'b', body: null, tags: [] }));
        await bench.write(changes.update({ id: 1, name: 'A', body: UNCHANGED, tags: UNCHANGED }), changes.update({ id: 2, name: 'B', body: UNCHANGED, tags: ['q'] }));
        expect(await bench.rows()).toEqual([
          { id: '1', name: 'A', body: large, tags: '["p",null]' },
          { id: '2', name: 'B', body: null, tags: '["q"]' },
        ]);
      });

      test('are taken from the batch where it has them', async () => {
        await using bench = await open({ columns });
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1, name: 'a', body: 'old', tags: [] }));
        await bench.write(changes.update({ id: 1, name: 'b', body: 'new', tags: UNCHANGED }), changes.update({ id: 1, name: 'c', body: UNCHANGED, tags: UNCHANGED }));
        expect(await bench.rows()).toEqual([{ id: '1', name: 'c', body: 'new', tags: '[]' }]);
      });

      test('of an older change that comes again do not disturb a newer one', async () => {
        await using bench = await open({ columns });
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1, name: 'a', body: 'old', tags: [] }));
        const update = changes.update({ id: 1, name: 'b', body: UNCHANGED, tags: UNCHANGED });
        await bench.write(update);
        await bench.write(changes.update({ id: 1, name: 'c', body: 'new', tags: [] }));
        await bench.write(update);
        expect(await bench.rows()).toEqual([{ id: '1', name: 'c', body: 'new', tags: '[]' }]);
      });

      test('of a row that the target does not have do not stop the batch', async () => {
        await using bench = await open({ columns });
        await bench.write(bench.changes.update({ id: 1, name: 'a', body: UNCHANGED, tags: [] }));
        expect(await bench.rows()).toEqual([{ id: '1', name: 'a', body: null, tags: '[]' }]);
      });

      test('are found by a key of several columns of different types', async () => {
        const spec = { columns: { body: 'text', tenant: 'uuid', code: 'text', day: 'date' }, key: ['code', 'tenant', 'day'] } as const;
        await using bench = await open(spec);
        const key = { tenant: '6f1c2a3e-0000-4000-8000-00000000beef', code: "it's \\ \"quoted\"\n", day: 19_000 };
        await bench.write(bench.changes.insert({ ...key, body: large }), bench.changes.insert({ ...key, day: 19_001, body: 'other' }));
        await bench.write(bench.changes.update({ ...key, body: UNCHANGED }));
        expect((await bench.rows()).map(({ body }) => body?.length).toSorted()).toEqual([10_000, 5]);
      });
    });

    describe('deletes', () => {
      test('soft: the row stays, marked, with its last values', async () => {
        await using bench = await open({}, { DELETE_MODE: 'soft' });
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1, name: 'a', amount: '1.00' }), changes.insert({ id: 2, name: 'b', amount: '2.00' }));
        await bench.write(changes.delete({ id: 1 }));
        expect(await bench.rows()).toEqual([
          { id: '1', name: 'a', amount: '1.00' },
          { id: '2', name: 'b', amount: '2.00' },
        ]);
        expect((await bench.live()).map(({ isDeleted, opType }) => [isDeleted, opType])).toEqual([[false, 'c'], [true, 'd']]);
      });

      test('soft: values that changed in the same batch are the last ones', async () => {
        await using bench = await open({}, { DELETE_MODE: 'soft' });
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1, name: 'a', amount: '1.00' }));
        await bench.write(changes.update({ id: 1, name: 'b', amount: UNCHANGED }), changes.delete({ id: 1 }), changes.insert({ id: 2, name: 'x' }), changes.delete({ id: 2 }));
        expect((await bench.live()).map(({ isDeleted, values }) => [isDeleted, values['name'], values['amount']])).toEqual([[true, 'b', '1.00'], [true, 'x', null]]);
      });

      test('soft: a row that comes again is no longer marked, and older changes do not change that', async () => {
        await using bench = await open({}, { DELETE_MODE: 'soft' });
        const { changes } = bench;
        const history = [changes.insert({ id: 1, name: 'a' }), changes.delete({ id: 1 }), changes.insert({ id: 1, name: 'b' })];
        for (const record of history) await bench.write(record);
        for (const record of history) await bench.write(record);
        expect((await bench.live()).map(({ isDeleted, values }) => [isDeleted, values['name']])).toEqual([[false, 'b']]);
      });

      test('soft: older changes do not unmark a deleted row', async () => {
        await using bench = await open({}, { DELETE_MODE: 'soft' });
        const insert = bench.changes.insert({ id: 1, name: 'a' });
        await bench.write(insert);
        await bench.write(bench.changes.delete({ id: 1 }));
        await bench.write(insert);
        expect((await bench.live()).map(({ isDeleted }) => isDeleted)).toEqual([true]);
      });

      test('a delete that carries the whole old row is a delete by its key', async () => {
        await using bench = await open();
        await bench.write(bench.changes.insert({ id: 1, name: 'a' }), bench.changes.insert({ id: 2, name: 'a' }));
        await bench.write(bench.changes.delete({ id: 1, name: 'a', amount: '9.00' }));
        expect(await bench.keys()).toEqual(['2']);
      });
    });

    describe('truncate', () => {
      test('removes what was there, and keeps what comes after it', async () => {
        await using bench = await open();
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1 }), changes.insert({ id: 2 }));
        await bench.write(changes.insert({ id: 3 }), changes.truncate(), changes.insert({ id: 4 }));
        expect(await bench.keys()).toEqual(['4']);
      });

      test('alone in a batch says that no row was written', async () => {
        await using bench = await open();
        const truncate = bench.changes.truncate();
        expect(await bench.write(truncate)).toMatchObject({ recordsWritten: 0, lastPosition: truncate.position });
      });

      test('older rows that come again stay away, also after a restart', async () => {
        await using bench = await open();
        const { changes } = bench;
        const rows = [changes.insert({ id: 1 }), changes.insert({ id: 2 })];
        const truncate = changes.truncate();
        await bench.write(...rows, truncate, changes.insert({ id: 3 }));
        await bench.write(...rows);
        await bench.restart();
        await bench.write(...rows);
        await bench.write(...rows, truncate);
        expect(await bench.keys()).toEqual(['3']);
      });

      test('a truncate of each partition leaves the rows that came after the first', async () => {
        await using bench = await open();
        const { changes } = bench;
        await bench.write(changes.insert({ id: 1 }));
        const truncates = [changes.truncate(), changes.truncate()];
        const later = changes.insert({ id: 2 });
        await bench.write(...truncates.slice(0, 1), later);
        await bench.write(...truncates.slice(1));
        expect(await bench.keys()).toEqual(['2']);
      });
    });

    describe('tables without a key', () => {
      const spec = { columns: { name: 'text', amount: 'decimal', note: 'text' }, key: [] } as const;
      const a: Values = { name: 'a', amount: '1.00', note: null };
      const b: Values = { name: 'b', amount: null, note: 'n' };
      const names = async (bench: Bench) => (await bench.rows()).map(({ name }) => name).sort();

      test('keep equal rows, and a repeated batch adds none', async () => {
        await using bench = await open(spec);
        const batch = [bench.changes.insert(a), bench.changes.insert(a), bench.changes.insert(b)];
        await bench.write(...batch);
        await bench.write(...batch);
        await bench.restart();
        await bench.write(...batch.slice(1), bench.changes.insert(b));
        expect(await names(bench)).toEqual(['a', 'a', 'b', 'b']);
      });

      test('a delete takes one of several equal rows, and its repetition none', async () => {
        await using bench = await open(spec);
        const { changes } = bench;
        await bench.write(changes.insert(a), changes.insert(a), changes.insert(a), changes.insert(b));
        const remove = changes.delete(a);
        await bench.write(remove);
        await bench.write(remove);
        expect(await names(bench)).toEqual(['a', 'a', 'b']);
      });

      test('a delete finds a row of the same batch', async () => {
        await using bench = await open(spec);
        const { changes } = bench;
        await bench.write(changes.insert(a), changes.insert(b), changes.delete(a), changes.delete(b), changes.insert(b));
        expect(await names(bench)).toEqual(['b']);
      });

      test('an update replaces one matching row, and its repetition none', async () => {
        await using bench = await open(spec);
        const { changes } = bench;
        await bench.write(changes.insert(a), changes.insert(a), changes.insert(b));
        const batch = [changes.update({ ...a, name: 'c' }, a), changes.update({ name: 'd', amount: null, note: UNCHANGED }, b)];
        await bench.write(...batch);
        await bench.restart();
        await bench.write(...batch);
        expect(await bench.rows()).toEqual(
          expect.arrayContaining([
            { name: 'a', amount: '1.00', note: null },
            { name: 'c', amount: '1.00', note: null },
            { name: 'd', amount: null, note: 'n' },
          ]),
        );
        expect((await bench.rows()).length).toBe(3);
      });

      test('truncate empties them for good', async () => {
        await using bench = await open(spec);
        const { changes } = bench;
        const rows = [changes.insert(a), changes.insert(b)];
        await bench.write(...rows);
        await bench.write(changes.truncate());
        await bench.write(...rows);
        await bench.write(changes.insert(b));
        expect(await names(bench)).toEqual(['b']);
      });
    });

    describe('changes of schema', () => {
      const wider = (bench: Bench, columns: Readonly<Record<string, ColumnSpec | DataType['kind']>>) =>
        tableOf({ name: bench.changes.table.name, columns, key: ['id'] });

      test('a new column is added, null in the rows that are there', async () => {
        await using bench = await open();
        await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
        await bench.alter(wider(bench, { id: 'int64', name: 'text', amount: 'decimal', city: { type: { kind: 'text' }, nullable: false } }));
        await bench.write(bench.changes.insert({ id: 2, name: 'b', city: 'Bonn' }));
        expect(await bench.rows()).toEqual([
          { id: '1', name: 'a', amount: null, city: null },
          { id: '2', name: 'b', amount: null, city: 'Bonn' },
        ]);
      });

      test('a dropped column stays, and later rows have null in it', async () => {
        await using bench = await open({ columns: { id: 'int64', name: { type: { kind: 'text' }, nullable: false }, amount: 'decimal' } });
        await bench.write(bench.changes.insert({ id: 1, name: 'a', amount: '1.00' }));
        const whole = bench.changes.table;
        await bench.alter(wider(bench, { id: 'int64', amount: 'decimal' }));
        await bench.write(bench.changes.insert({ id: 2, amount: '2.00' }));
        expect(await bench.rows(whole)).toEqual([
          { id: '1', name: 'a', amount: '1.00' },
          { id: '2', name: null, amount: '2.00' },
        ]);
      });

      test('a column that may be null from now on takes nulls', async () => {
        await using bench = await open({ columns: { id: 'int64', name: { type: { kind: 'text' }, nullable: false } } });
        await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
        await bench.alter(wider(bench, { id: 'int64', name: 'text' }));
        await bench.write(bench.changes.insert({ id: 2, name: null }));
        expect(await bench.rows()).toEqual([{ id: '1', name: 'a' }, { id: '2', name: null }]);
      });

      test('a wider type is taken over, and older rows that come again fit it', async () => {
        await using bench = await open({ columns: { id: 'int64', count: 'int32', amount: { type: { kind: 'decimal', precision: 8, scale: 2 } } } });
        const older = bench.changes.insert({ id: 1, count: 7, amount: '1.25' });
        await bench.write(older);
        await bench.alter(wider(bench, { id: 'int64', count: 'int64', amount: { type: { kind: 'decimal', precision: 20, scale: 4 } } }));
        await bench.write(bench.changes.insert({ id: 2, count: 9_007_199_254_740_993n, amount: '1234567890123456.1234' }));
        await bench.sink.setup([older.table]);
        await bench.write({ ...older, version: bench.changes.version + 1 });
        expect(await bench.rows()).toEqual([
          { id: '1', count: '7', amount: '1.2500' },
          { id: '2', count: '9007199254740993', amount: '1234567890123456.1234' },
        ]);
      });

      test('a type that cannot be taken over is refused', async () => {
        await using bench = await open();
        await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
        await bench.expectRefusal(wider(bench, { id: 'int64', name: 'boolean', amount: 'decimal' }), 'SCHEMA_INCOMPATIBLE');
      });

      test('ignore: a new column is left out', async () => {
        await using bench = await open({}, { SCHEMA_CHANGES: 'ignore' });
        await bench.write(bench.changes.insert({ id: 1, name: 'a' }));
        const before = bench.changes.table;
        await bench.alter(wider(bench, { id: 'int64', name: 'text', city: 'text', amount: 'decimal' }));
        await bench.write(bench.changes.insert({ id: 2, name: 'b', city: 'Bonn', amount: '5.00' }));
        expect(await bench.rows(before)).toEqual([
          { id: '1', name: 'a', amount: null },
          { id: '2', name: 'b', amount: '5.00' },
        ]);
      });

      test('stop: a new column is refused', async () => {
        await using bench = await open({}, { SCHEMA_CHANGES: 'stop' });
        await bench.write(bench.changes.insert({ id: 1 }));
        await bench.expectRefusal(wider(bench, { id: 'int64', name: 'text', amount: 'decimal', city: 'text' }), 'SCHEMA_INCOMPATIBLE');
      });

      test('another key is refused', async () => {
        await using bench = await open();
        await bench.write(bench.changes.insert({ id: 1 }));
        const { name, columns } = bench.changes.table;
        const specs = Object.fromEntries(columns.map((column) => [column.name, { type: column.dataType }]));
        await bench.expectRefusal(tableOf({ name, columns: specs, key: ['id', 'name'] }), 'SCHEMA_INCOMPATIBLE');
      });
    });

    describe('names', () => {
      test.each(Object.values(META_COLUMNS))('a source column named %s is refused', async (column) => {
        await using bench = await open({ columns: { id: 'int64', [column]: 'text' } });
        await bench.expectRefusal(bench.changes.table, 'SCHEMA_INCOMPATIBLE');
      });

      test('are quoted: reserved words, quotes, blanks, other scripts', async () => {
        const columns = { id: 'int64', select: 'text', "o'clock": 'text', 'say "hi"': 'text', 'größe 大': 'text', 'back`tick\\': 'text' } as const;
        await using bench = await open({ name: newName('Order "Lines\' `of` x'), columns });
        const row = { id: 1, select: 's', "o'clock": 'o', 'say "hi"': 'h', 'größe 大': 'g', 'back`tick\\': 'b' };
        await bench.write(bench.changes.insert(row));
        await bench.write(bench.changes.update({ ...row, select: UNCHANGED, 'back`tick\\': 'B' }));
        expect(await bench.rows()).toEqual([{ ...row, id: '1', 'back`tick\\': 'B' }]);
      });

      test('of targets follow SINK_TABLE', async () => {
        await using bench = await open({ schema: 'sales' }, { SINK_TABLE: '{schema}_{table}' });
        await bench.write(bench.changes.insert({ id: 1 }));
        const { table } = bench.changes;
        expect((await harness.liveRows(table, `sales_${table.name}`)).length).toBe(1);
      });
    });

    describe('values', () => {
      test.each(VALUE_CASES)('$label come back as they were sent', async ({ type, values }) => {
        await using bench = await open({ columns: { id: 'int64', value: { type } } });
        const all = [...values, null];
        await bench.write(...all.map((value, id) => bench.changes.insert({ id, value })));
        const expected = all.map((value, id) => ({ id: String(id), value: value === null && type.kind === 'array' ? options.nullArray : canonical(type, value) }));
        expect(await bench.rows()).toEqual(expected);
      });

      test.each(KEY_CASES)('$label serve as keys', async ({ type, values }) => {
        await using bench = await open({ columns: { value: { type }, note: 'text' }, key: ['value'] });
        const { changes } = bench;
        await bench.write(...values.map((value) => changes.insert({ value, note: 'a' })));
        await bench.write(...values.map((value) => changes.update({ value, note: UNCHANGED })));
        const [first = null] = values;
        await bench.write(changes.delete({ value: first }));
        const expected = values.slice(1).map((value) => ({ value: canonical(type, value), note: 'a' }));
        expect((await bench.rows()).toSorted(byValue)).toEqual(expected.toSorted(byValue));
      });

      test('columns without null hold their values', async () => {
        const columns = Object.fromEntries(VALUE_CASES.map(({ type }, index) => [`c${index}`, { type, nullable: false }]));
        await using bench = await open({ columns: { id: 'int64', ...columns } });
        const row = Object.fromEntries(VALUE_CASES.map(({ values }, index) => [`c${index}`, values[0] ?? null]));
        await bench.write(bench.changes.insert({ id: 1, ...row }));
        const expected = Object.fromEntries(VALUE_CASES.map(({ type, values }, index) => [`c${index}`, canonical(type, values[0] ?? null)]));
        expect(await bench.rows()).toEqual([{ id: '1', ...expected }]);
        await bench.write(bench.changes.delete({ id: 1 }));
        expect(await bench.rows()).toEqual([]);
      });
    });
  });
}

type LiveValues = LiveRow['values'];

function byValue(a: LiveValues, b: LiveValues): number {
  return String(a['value']) < String(b['value']) ? -1 : 1;
}

interface ValueCase {
  readonly label: string;
  readonly type: DataType;
  readonly values: readonly Value[];
}

const NOON = 1_700_049_600_123_456;

const VALUE_CASES: readonly ValueCase[] = [
  { label: 'booleans', type: { kind: 'boolean' }, values: [true, false] },
  { label: 'int16', type: { kind: 'int16' }, values: [0, 1, -1, 32_767, -32_768] },
  { label: 'int32', type: { kind: 'int32' }, values: [0, 2_147_483_647, -2_147_483_648] },
  { label: 'int64', type: { kind: 'int64' }, values: [0, -1, 4_294_967_296, Number.MAX_SAFE_INTEGER, -9_007_199_254_740_991, 9_223_372_036_854_775_807n, -9_223_372_036_854_775_808n] },
  { label: 'uint64', type: { kind: 'uint64' }, values: ['0', '9223372036854775808', '18446744073709551615'] },
  { label: 'float32', type: { kind: 'float32' }, values: [0, 1.5, -0.25, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] },
  { label: 'float64', type: { kind: 'float64' }, values: [0, 0.1, -1e300, 5e-324, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] },
  { label: 'decimal(12,2)', type: { kind: 'decimal', precision: 12, scale: 2 }, values: ['0.00', '0.01', '-0.01', '1234567890.12', '-9999999999.99'] },
  { label: 'decimal(5,0)', type: { kind: 'decimal', precision: 5, scale: 0 }, values: ['0', '99999', '-99999'] },
  { label: 'decimal(38,10)', type: { kind: 'decimal', precision: 38, scale: 10 }, values: ['1234567890123456789012345678.0123456789', '-0.0000000001'] },
  { label: 'decimal(76,20)', type: { kind: 'decimal', precision: 76, scale: 20 }, values: [`${'9'.repeat(56)}.${'9'.repeat(20)}`, `-${'9'.repeat(56)}.${'9'.repeat(20)}`] },
  { label: 'decimal(100,10)', type: { kind: 'decimal', precision: 100, scale: 10 }, values: [`${'9'.repeat(90)}.0123456789`] },
  { label: 'numeric', type: { kind: 'numeric' }, values: ['1.50', 'NaN', 'Infinity', '-Infinity', `${'1234567890'.repeat(20)}.5`] },
  { label: 'strings', type: { kind: 'string' }, values: ['', 'a', "it's", '{"x":1}', 'NULL', '\\N', 'tab\tline\nreturn\r', 'größe 大 🎈'] },
  { label: 'texts', type: { kind: 'text' }, values: ['x'.repeat(100_000), 'ü'.repeat(200), ' '] },
  { label: 'enums', type: { kind: 'enum', values: ['new', 'paid'] }, values: ['new', 'paid'] },
  { label: 'bytes', type: { kind: 'bytes' }, values: [Buffer.from([0, 1, 2, 255, 10, 92]), Buffer.alloc(0), Buffer.alloc(1000, 7)] },
  { label: 'json', type: { kind: 'json' }, values: ['{"b":1,"a":[1,2.5,"x",null,true]}', '"text"', 'null', '[]'] },
  { label: 'jsonb', type: { kind: 'jsonb' }, values: ['{"a": {"b": "ü\\" "}}', '12345678901234567890', 'false'] },
  { label: 'uuids', type: { kind: 'uuid' }, values: ['6f1c2a3e-1234-4567-89ab-0123456789ab', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'] },
  { label: 'dates', type: { kind: 'date' }, values: [0, 19_676, -25_567, 120_529] },
  { label: 'times', type: { kind: 'time', unit: 'micros' }, values: [0, 45_296_000_000, 86_399_999_999] },
  { label: 'times in milliseconds', type: { kind: 'time', unit: 'millis' }, values: [45_296_123_000] },
  { label: 'timestamps', type: { kind: 'timestamp', unit: 'micros' }, values: [0, NOON, -1, -2_208_988_800_000_000, 10_413_791_999_999_999n] },
  { label: 'timestamps in milliseconds', type: { kind: 'timestamp', unit: 'millis' }, values: [1_700_049_600_123_000] },
  { label: 'timestamps with time zone', type: { kind: 'timestampTz', unit: 'micros' }, values: [NOON, NOON + 1] },
  { label: 'arrays of int32', type: { kind: 'array', element: { kind: 'int32' } }, values: [[], [1, null, -3]] },
  { label: 'arrays of text', type: { kind: 'array', element: { kind: 'text' } }, values: [['a', null, '', 'NULL', '{}"\\,\'']] },
  { label: 'arrays of decimal(12,2)', type: { kind: 'array', element: { kind: 'decimal', precision: 12, scale: 2 } }, values: [['1.50', '-2.00', null]] },
  { label: 'arrays of timestamps', type: { kind: 'array', element: { kind: 'timestampTz', unit: 'micros' } }, values: [[NOON, null]] },
  { label: 'arrays of uuids', type: { kind: 'array', element: { kind: 'uuid' } }, values: [['6f1c2a3e-1234-4567-89ab-0123456789ab']] },
  { label: 'arrays of booleans', type: { kind: 'array', element: { kind: 'boolean' } }, values: [[true, false, null]] },
];

const KEY_LABELS = ['booleans', 'int16', 'int32', 'int64', 'uint64', 'decimal(12,2)', 'decimal(38,10)', 'strings', 'enums', 'bytes', 'uuids', 'dates', 'times', 'timestamps', 'timestamps with time zone'];
const KEY_CASES = VALUE_CASES.filter(({ label }) => KEY_LABELS.includes(label));

/** One table, its changes, and a sink that writes them: the owner of what a test does. */
class Bench implements AsyncDisposable {
  readonly changes: Changes;
  readonly #harness: SinkHarness;
  readonly #settings: ContractSettings;
  sink: Sink;

  constructor(harness: SinkHarness, table: TableSchema, settings: ContractSettings) {
    this.changes = new Changes(table);
    this.#harness = harness;
    this.#settings = settings;
    this.sink = harness.createSink(settings);
  }

  /** As the runner does it: set up once, then batches. */
  async write(...records: readonly CdcRecord[]) {
    await this.sink.setup([this.changes.table]);
    return this.sink.writeBatch(records);
  }

  /** Another process takes over. */
  async restart(): Promise<void> {
    await this.sink.close();
    this.sink = this.#harness.createSink(this.#settings);
  }

  async alter(table: TableSchema): Promise<void> {
    this.changes.alter(table);
    await this.sink.setup([table]);
  }

  async expectRefusal(table: TableSchema, code: ErrorCode): Promise<void> {
    const error: unknown = await this.sink.setup([table]).then(() => undefined, (reason: unknown) => reason);
    expect(error).toBeInstanceOf(CdcError);
    expect((error as CdcError).code).toBe(code);
  }

  async live(table: TableSchema = this.changes.table): Promise<readonly LiveRow[]> {
    const rows = await this.#harness.liveRows(table, table.name);
    return rows.toSorted((a, b) => a.version - b.version);
  }

  /** Values of the live rows; in the order of their first column where that is `id`. */
  async rows(table: TableSchema = this.changes.table): Promise<readonly LiveValues[]> {
    const rows = (await this.live(table)).map(({ values }) => values);
    return rows.toSorted((a, b) => Number(a['id'] ?? 0) - Number(b['id'] ?? 0));
  }

  async keys(): Promise<readonly (string | null | undefined)[]> {
    return (await this.rows()).map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sink.close();
  }
}
