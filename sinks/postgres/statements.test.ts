import { describe, expect, test } from 'vitest';
import { tableOf } from '../../test/contract/records.ts';
import { bind, type Binding } from './binding.ts';
import { buildAppend } from './keyless-statements.ts';
import {
  buildCopy,
  buildCopyIntoTarget,
  buildMerge,
  buildRaiseGuard,
  buildStagingTable,
  buildTableLock,
  buildTruncate,
  type MergeOptions,
} from './statements.ts';

function bindingOf(key: readonly string[]): Binding {
  const table = tableOf({ name: 'or"ders', columns: { id: 'int64', 'na"me': 'text', ip: 'string' }, key });
  const column = { isGenerated: false, isIdentityAlways: false };
  const columns = [
    { ...column, name: 'id', type: 'bigint', baseType: 'bigint', category: 'N' },
    { ...column, name: 'na"me', type: 'character varying(40)', baseType: 'character varying', category: 'S' },
    { ...column, name: 'ip', type: 'inet', baseType: 'inet', category: 'I' },
  ];
  return bind(table, { schema: 'sh"op', name: 'o\'r"ders', columns });
}

const keyed = bindingOf(['id']);
const plain = (statements: readonly string[]) => statements.map((statement) => statement.replaceAll(/\s+/g, ' '));
const options: MergeOptions = { staging: 'stage', guard: { newestDelete: 0, truncatedBelow: 0 }, hasUnchanged: false, hasDeletes: false, hasUpserts: true };

const INSERT = `INSERT INTO "sh""op"."o'r""ders" AS t ("id", "na""me", "ip", "dbmazz_op_type", "dbmazz_is_deleted", "dbmazz_synced_at", "dbmazz_cdc_version") OVERRIDING SYSTEM VALUE SELECT s.c0, s.c1, s.c2::inet, s.dbmazz_op_type, s.dbmazz_op_type = 'd', now(), s.dbmazz_cdc_version FROM pg_temp."stage" s`;
const CONFLICT = `ON CONFLICT ("id") DO UPDATE SET "na""me" = excluded."na""me", "ip" = excluded."ip", "dbmazz_op_type" = excluded."dbmazz_op_type", "dbmazz_is_deleted" = excluded."dbmazz_is_deleted", "dbmazz_synced_at" = excluded."dbmazz_synced_at", "dbmazz_cdc_version" = excluded."dbmazz_cdc_version" WHERE t."dbmazz_cdc_version" < excluded."dbmazz_cdc_version"`;

test('the staging table names its columns by number', () => {
  expect(buildStagingTable(keyed, 'stage')).toBe(
    'CREATE TEMPORARY TABLE "stage" (c0 bigint, c1 text, c2 text, dbmazz_op_type text, dbmazz_cdc_version bigint, dbmazz_key bytea, dbmazz_unchanged smallint[])',
  );
});

test('rows are copied into the staging table, or straight into the target', () => {
  expect(buildCopy('stage')).toBe('COPY pg_temp."stage" FROM STDIN (FORMAT binary)');
  expect(buildCopyIntoTarget(keyed)).toBe(
    `COPY "sh""op"."o'r""ders" ("id", "na""me", "ip", "dbmazz_op_type", "dbmazz_is_deleted", "dbmazz_synced_at", "dbmazz_cdc_version") FROM STDIN (FORMAT binary)`,
  );
});

describe('a table with a key', () => {
  test('takes rows by one upsert that compares versions', () => {
    expect(plain(buildMerge(keyed, options))).toEqual([`${INSERT} ${CONFLICT}`]);
  });

  test('remembers deletes before it carries them out, and upserts last', () => {
    const statements = plain(buildMerge(keyed, { ...options, hasDeletes: true }));
    expect(statements).toEqual([
      expect.stringMatching(
        /^INSERT INTO "sh""op"\."dbmazz_deleted" AS d .* WHERE s\.dbmazz_op_type = 'd' ON CONFLICT .* WHERE d\.version < excluded\.version$/,
      ),
      `DELETE FROM "sh""op"."o'r""ders" t USING pg_temp."stage" s WHERE s.dbmazz_op_type = 'd' AND t."id" = s.c0 AND t."dbmazz_cdc_version" < s.dbmazz_cdc_version`,
      `${INSERT} WHERE s.dbmazz_op_type <> 'd' ${CONFLICT}`,
    ]);
  });

  test('upserts nothing where there are deletes alone', () => {
    expect(buildMerge(keyed, { ...options, hasDeletes: true, hasUpserts: false }).length).toBe(2);
  });

  test('keeps unchanged values of rows that are there, before it inserts the others', () => {
    const exists = `EXISTS (SELECT FROM "sh""op"."o'r""ders" t WHERE t."id" = s.c0)`;
    const statements = plain(buildMerge(keyed, { ...options, hasUnchanged: true }));
    expect(statements).toEqual([
      expect.stringContaining(
        `SET "na""me" = CASE WHEN 1 = ANY (s.dbmazz_unchanged) THEN t."na""me" ELSE s.c1::character varying END, "ip" = CASE WHEN 2 = ANY (s.dbmazz_unchanged) THEN t."ip" ELSE s.c2::inet END`,
      ),
      `${INSERT} WHERE (s.dbmazz_unchanged IS NULL OR NOT ${exists}) ${CONFLICT}`,
    ]);
  });

  test('asks for remembered deletes only where there may be any, and only for older rows', () => {
    const [upsert] = plain(buildMerge(keyed, { ...options, guard: { newestDelete: 900, truncatedBelow: 500 } }));
    expect(upsert).toContain(
      `WHERE s.dbmazz_cdc_version >= 500 AND (s.dbmazz_cdc_version > 900 OR NOT EXISTS (SELECT FROM "sh""op"."dbmazz_deleted" d WHERE d.table_name = 'o''r"ders' AND d.key = s.dbmazz_key AND d.version > s.dbmazz_cdc_version)) ON CONFLICT`,
    );
  });

  test('of nothing but its key takes our own columns along', () => {
    const table = tableOf({ name: 'keys', columns: { id: 'int64' }, key: ['id'] });
    const binding = bind(table, {
      schema: 's',
      name: 'keys',
      columns: [{ name: 'id', type: 'bigint', baseType: 'bigint', category: 'N', isGenerated: false, isIdentityAlways: true }],
    });
    expect(plain(buildMerge(binding, options))[0]).toContain('DO UPDATE SET "dbmazz_op_type" = excluded."dbmazz_op_type"');
  });
});

describe('a table without a key', () => {
  const keyless = bindingOf([]);
  const append = { staging: 'stage', guard: { newestDelete: 0, truncatedBelow: 0 }, hasRemovals: false, deleteMode: 'hard' } as const;

  test('takes each change once, by its version', () => {
    expect(plain(buildAppend(keyless, append))).toEqual([`${INSERT} ON CONFLICT ("dbmazz_cdc_version") WHERE "dbmazz_cdc_version" > 0 DO NOTHING`]);
  });

  test('leaves out removals that were done, writes, then removes', () => {
    const statements = plain(buildAppend(keyless, { ...append, hasRemovals: true }));
    expect(statements.map((statement) => statement.split(' ', 3).join(' '))).toEqual([
      'DELETE FROM pg_temp."stage"',
      `INSERT INTO "sh""op"."o'r""ders"`,
      'WITH removal AS',
    ]);
    expect(statements[2]).toContain('ROW(s.c0::bigint, s.c1::character varying(40), s.c2::inet)::text');
    expect(statements[2]).toContain('gone AS (DELETE');
  });

  test('soft: marks the row of a delete, and removes the old row of an update', () => {
    const removal = plain(buildAppend(keyless, { ...append, hasRemovals: true, deleteMode: 'soft' }))[2];
    expect(removal).toContain('marked AS (UPDATE');
    expect(removal).toContain(`pair.op = 'x'`);
    expect(removal).toContain('AND NOT t."dbmazz_is_deleted"');
  });
});

test('truncate removes or marks rows below its version', () => {
  expect(plain(buildTruncate(keyed, 77, 'hard'))[0]).toBe(`DELETE FROM "sh""op"."o'r""ders" WHERE "dbmazz_cdc_version" < 77`);
  expect(plain(buildTruncate(keyed, 77, 'soft'))[0]).toBe(
    `UPDATE "sh""op"."o'r""ders" SET "dbmazz_op_type" = 'd', "dbmazz_is_deleted" = true, "dbmazz_synced_at" = now() WHERE "dbmazz_cdc_version" < 77 AND NOT "dbmazz_is_deleted"`,
  );
});

test('what is remembered of a table never goes backwards', () => {
  expect(plain([buildRaiseGuard(keyed, { newestDelete: 5, truncatedBelow: 0 })])[0]).toContain(
    'newest_delete = greatest(t.newest_delete, excluded.newest_delete)',
  );
});

test('writers of a table share its lock, and exclude each other where they remove rows', () => {
  expect(buildTableLock('s', 't', false)).toBe(`SELECT pg_advisory_xact_lock_shared(hashtextextended('dbmazz:"s"."t"', 0))`);
  expect(buildTableLock('s', 't', true)).toBe(`SELECT pg_advisory_xact_lock(hashtextextended('dbmazz:"s"."t"', 0))`);
});
