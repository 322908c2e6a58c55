import { PostgresBench } from './postgres-source-bench.ts';
import type { HarnessChange, SourceHarness } from './source-contract.ts';

export async function openPostgresSource(): Promise<SourceHarness> {
  const bench = await PostgresBench.open();
  return {
    createTable: async (name) => void (await bench.query(`CREATE TABLE ${name} (id int PRIMARY KEY, v text)`)),
    addColumn: async (table, column) => void (await bench.query(`ALTER TABLE ${table} ADD ${column} text`)),
    commit: async (...changes) => void (await bench.query(`BEGIN; ${changes.map(toSql).join('; ')}; COMMIT`)),
    createSource: (tables, settings) => bench.source({ TABLES: tables.map((table) => `public.${table}`).join(','), ...settings }),
    released: async () => bench.slotIsFree(),
    loseHistory: async () => void (await bench.query('SELECT pg_drop_replication_slot($1)', [bench.slot])),
    [Symbol.asyncDispose]: async () => bench[Symbol.asyncDispose](),
  };
}

function toSql(change: HarnessChange): string {
  if (change.kind === 'delete') return `DELETE FROM ${change.table} WHERE id = ${change.id}`;
  const v = change.v === null ? 'NULL' : `'${change.v}'`;
  return change.kind === 'insert' ? `INSERT INTO ${change.table} VALUES (${change.id}, ${v})` : `UPDATE ${change.table} SET v = ${v} WHERE id = ${change.id}`;
}
