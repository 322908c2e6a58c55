import { describe, expect, test } from 'vitest';
import {
  buildAddColumn,
  buildCreateRows,
  buildCreateView,
  buildDeleteBelow,
  buildHighestVersion,
  buildInsert,
  buildLookup,
  buildMatch,
  buildSetComment,
  parseTruncatedBelow,
  quoteName,
  quoteText,
  withTruncatedBelow,
} from './statements.ts';

const names = { database: 'shop', view: 'orders', rows: 'orders_dbmazz_rows' };
const columns = [
  { name: 'id', type: 'Int64' },
  { name: 'na`me', type: 'Nullable(String)' },
];

test.each([
  ['a', '`a`'],
  ['a`b', '`a\\`b`'],
  ['a\\', '`a\\\\`'],
])('name %s is quoted as %s', (name, quoted) => {
  expect(quoteName(name)).toBe(quoted);
});

test.each([
  ["it's", "'it\\'s'"],
  ['\\', "'\\\\'"],
])('text %s is quoted as %s', (text, quoted) => {
  expect(quoteText(text)).toBe(quoted);
});

describe('the table behind the view', () => {
  test('keeps the highest version of a key and hides what is deleted', () => {
    expect(buildCreateRows({ names, columns, key: ['id'], hidesDeleted: true })).toBe(`CREATE TABLE IF NOT EXISTS \`shop\`.\`orders_dbmazz_rows\` (
  \`id\` Int64,
  \`na\\\`me\` Nullable(String),
  \`dbmazz_op_type\` LowCardinality(String),
  \`dbmazz_is_deleted\` UInt8,
  \`dbmazz_synced_at\` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC'),
  \`dbmazz_cdc_version\` UInt64,
  INDEX dbmazz_version \`dbmazz_cdc_version\` TYPE minmax GRANULARITY 1
) ENGINE = ReplacingMergeTree(\`dbmazz_cdc_version\`, \`dbmazz_is_deleted\`)
ORDER BY (\`id\`)
SETTINGS non_replicated_deduplication_window = 100`);
  });

  test('does not hide deleted rows where they are only marked', () => {
    expect(buildCreateRows({ names, columns, key: ['id'], hidesDeleted: false })).toContain('ReplacingMergeTree(`dbmazz_cdc_version`)\n');
  });

  test('without a key has an id of its own', () => {
    const sql = buildCreateRows({ names, columns, key: [], hidesDeleted: true });
    expect(sql).toContain('(\n  `dbmazz_row_id` UInt64,');
    expect(sql).toContain('ORDER BY (`dbmazz_row_id`)');
  });
});

describe('the view', () => {
  test('shows the rows as FINAL leaves them', () => {
    expect(buildCreateView({ names, columns: ['id', 'b'], filtersDeleted: false, comment: "it's live" })).toBe(
      "CREATE OR REPLACE VIEW `shop`.`orders` AS\nSELECT `id`, `b`\nFROM `shop`.`orders_dbmazz_rows` FINAL\nCOMMENT 'it\\'s live'",
    );
  });

  test('leaves out deleted rows itself where FINAL does not', () => {
    expect(buildCreateView({ names, columns: ['id'], filtersDeleted: true, comment: '' })).toContain('FINAL\nWHERE `dbmazz_is_deleted` = 0\n');
  });
});

test.each([
  [buildAddColumn('`d`.`t`', { name: 'c', type: 'Int64' }), 'ALTER TABLE `d`.`t` ADD COLUMN IF NOT EXISTS `c` Int64'],
  [buildDeleteBelow('`d`.`t`', 7), 'DELETE FROM `d`.`t` WHERE `dbmazz_cdc_version` < 7'],
  [buildSetComment('`d`.`t`', "o'"), "ALTER TABLE `d`.`t` MODIFY COMMENT 'o\\''"],
  [buildInsert('`d`.`t`'), 'INSERT INTO `d`.`t` FORMAT RowBinaryWithNamesAndTypes'],
  [buildHighestVersion('`d`.`t`', 5), 'SELECT toString(max(`dbmazz_cdc_version`)) AS highest FROM `d`.`t` WHERE `dbmazz_cdc_version` >= 5'],
])('%s', (built, expected) => {
  expect(built).toBe(expected);
});

test('a look-up carries its keys in the encoding of inserts', () => {
  const sql = buildLookup({ table: '`d`.`t`', keys: [{ name: 'id', type: 'Int16' }], wanted: [{ name: 'body', type: 'String' }], values: Buffer.from([1, 0]) });
  expect(sql).toBe(
    "SELECT `id`, `body` FROM `d`.`t` FINAL\nWHERE (`id`) IN (SELECT `id` FROM format(RowBinary, '`id` Int16', unhex('0100')))\nFORMAT RowBinaryWithNamesAndTypes",
  );
});

test('equal rows are found by their text, so that null equals null', () => {
  const sql = buildMatch({ table: '`d`.`t`', columns: [{ name: 'a', type: 'Int16' }], values: Buffer.from([1, 0]), limit: 3 });
  expect(sql).toContain('AND toString(tuple(`a`)) IN (SELECT toString(tuple(`a`)) FROM format(');
  expect(sql).toContain('ORDER BY `dbmazz_row_id` LIMIT 3 BY `a`');
});

describe('the mark of a truncate', () => {
  test.each([
    ['', 0],
    ['orders of the shop', 0],
    ['[dbmazz: truncated below 12]', 12],
    ['orders [dbmazz: truncated below 1700000000000001]', 1_700_000_000_000_001],
  ])('in the comment %j is %i', (comment, version) => {
    expect(parseTruncatedBelow(comment)).toBe(version);
  });

  test("replaces an older one and leaves the user's words", () => {
    expect(withTruncatedBelow(withTruncatedBelow('orders', 1), 2)).toBe('orders [dbmazz: truncated below 2]');
    expect(withTruncatedBelow('', 3)).toBe('[dbmazz: truncated below 3]');
  });
});
