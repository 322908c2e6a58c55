import type { Client } from 'pg';
import { expect, test } from 'vitest';
import { silentLogger } from '../../shared/observe/log.ts';
import { PartitionWatch, type PartitionWatchOptions, type TablePart } from './partition-watch.ts';

const ATTACHED = { horizon: '900', root_id: '7', part_schema: 'public', part_name: 't_2', attached_by: '880', condition: 'id >= 10' };
const client = { query: async () => ({ rows: [ATTACHED] }) } as unknown as Client;
const root = { id: 7, ref: { schema: 'public', name: 't' }, primaryKey: ['id'], columns: [{ name: 'id', type: 'int4' }] };

test('a partition that could not be asked for is asked for again, and is not taken for seen', async () => {
  const asked: TablePart[] = [];
  let isBroken = true;
  const watch = new PartitionWatch({
    config: { settings: { SNAPSHOT_MODE: 'initial' } },
    rules: { keys: new Map([['public.t', ['id']]]) },
    log: silentLogger(),
    roots: [root],
    horizon: '800',
    read: async (part: TablePart) => {
      if (isBroken) throw new Error('no connection');
      asked.push(part);
    },
  } as unknown as PartitionWatchOptions);
  await expect(watch.look(client)).rejects.toThrow('no connection');
  expect(watch.horizon).toBe('800');
  isBroken = false;
  await watch.look(client);
  await watch.look(client);
  expect(watch.horizon).toBe('900');
  expect(asked).toEqual([{ id: 'partition public.t_2 of transaction 880', table: 'public.t', where: 'id >= 10' }]);
});
