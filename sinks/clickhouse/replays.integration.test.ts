import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CdcRecord } from '../../shared/record/record.ts';
import { UNCHANGED } from '../../shared/record/value.ts';
import { type ClickHouseHarness, openHarness } from '../../test/contract/clickhouse-harness.ts';
import { Changes, tableOf } from '../../test/contract/records.ts';

/** What was written comes again from other processes: with their own tokens, so that the server takes it for new rows. */
let harness: ClickHouseHarness;
let count = 0;

beforeAll(async () => {
  harness = await openHarness();
});
afterAll(async () => {
  await harness.close();
});

const changesOf = (key: readonly string[]) => new Changes(tableOf({ name: `r${++count}`, columns: { id: 'int64', name: 'text' }, key }));

/** Batch after batch, each by a process of its own. */
async function write(...batches: readonly (readonly CdcRecord[])[]): Promise<void> {
  for (const batch of batches) {
    const sink = harness.createSink({});
    await sink.writeBatch(batch);
    await sink.close();
  }
}

async function rowsOf({ table }: Changes): Promise<readonly (readonly unknown[])[]> {
  const rows = await harness.query(`SELECT toString(id) AS id, name FROM ${harness.database}.${table.name} ORDER BY id, name`);
  return rows.map(({ id, name }) => [id, name]);
}

describe('a table without a key', () => {
  test('loses one of two equal rows to a delete, however often it comes', async () => {
    const changes = changesOf([]);
    const row = { id: 1, name: 'a' };
    const [inserts, gone] = [[changes.insert(row), changes.insert(row)], changes.delete(row)];
    await write(inserts, [gone], [gone], [...inserts, gone]);
    expect(await rowsOf(changes)).toEqual([['1', 'a']]);
  });

  test('has one of two equal rows changed by an update, however often it comes, alone or before others', async () => {
    const changes = changesOf([]);
    const row = { id: 1, name: 'a' };
    const [inserts, update, later] = [[changes.insert(row), changes.insert(row)], changes.update({ id: 1, name: 'b' }, row), changes.insert({ id: 2 })];
    await write(inserts, [update], [update], [update, later], [later]);
    expect(await rowsOf(changes)).toEqual([
      ['1', 'a'],
      ['1', 'b'],
      ['2', null],
    ]);
  });
});

describe.each([
  ['with a key', ['id']],
  ['without one', []],
])('a truncate of a table %s', (_what, key) => {
  test('is not undone by what was before it', async () => {
    const changes = changesOf(key);
    const [before, truncate, after] = [changes.insert({ id: 1, name: 'a' }), changes.truncate(), changes.insert({ id: 2, name: 'b' })];
    await write([before], [truncate], [before], [after], [before, after]);
    expect(await rowsOf(changes)).toEqual([['2', 'b']]);
  });
});

test('a truncate is not undone by an update with an unchanged value that was before it', async () => {
  const changes = changesOf(['id']);
  const [before, truncate] = [changes.update({ id: 1, name: UNCHANGED }), changes.truncate()];
  await write([truncate], [before], [before]);
  expect(await rowsOf(changes)).toEqual([]);
});

test('a row is not set back by older changes of it, of whatever kind', async () => {
  const changes = changesOf(['id']);
  const [insert, update, gone, again] = [
    changes.insert({ id: 1, name: 'a' }),
    changes.update({ id: 1, name: 'b' }),
    changes.delete({ id: 1 }),
    changes.insert({ id: 1, name: 'c' }),
  ];
  await write([insert, update, gone, again], [gone], [insert, update], [gone]);
  expect(await rowsOf(changes)).toEqual([['1', 'c']]);
});
