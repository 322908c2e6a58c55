import { describe, expect, test } from 'vitest';
import { quoted, readFromFile, readStatement } from './statement.ts';

describe('rows behind the text', () => {
  test.each([
    ['INSERT INTO t FORMAT JSONEachRow', "INSERT INTO t  FROM INFILE '/f' FORMAT JSONEachRow"],
    ['insert into `a b`.t (x, `format`) format RowBinary', "insert into `a b`.t (x, `format`)  FROM INFILE '/f' format RowBinary"],
    ["INSERT INTO t SETTINGS a = 1, b = 'x' FORMAT Native", "INSERT INTO t  FROM INFILE '/f' SETTINGS a = 1, b = 'x' FORMAT Native"],
    ['INSERT INTO t /* FORMAT CSV */ FORMAT TSV', "INSERT INTO t /* FORMAT CSV */  FROM INFILE '/f' FORMAT TSV"],
    [
      "INSERT INTO t SELECT a, lower(b) FROM input('a Int8, b String') FORMAT CSV",
      "INSERT INTO t SELECT a, lower(b) FROM file('/f', 'CSV', 'a Int8, b String') ",
    ],
  ])('%s is read from a file', (text, expected) => {
    const statement = readStatement(text);

    expect(statement).toMatchObject({ kind: 'insert', rows: 'data' });
    expect(readFromFile(statement, '/f')).toBe(expected);
  });

  test('the text ends with the name of the format, whatever the rows look like', () => {
    const statement = readStatement('INSERT INTO t FORMAT JSONEachRow {"a":";"}\n\n{"a":"\'"}');

    expect(statement.text).toBe('INSERT INTO t FORMAT JSONEachRow');
  });

  test.each(["INSERT INTO t VALUES (1, 'FORMAT CSV'), (2, ';')", 'INSERT INTO t SELECT 1', 'INSERT INTO t SELECT * FROM u FORMAT Null'])(
    '%s brings its own rows',
    (text) => {
      expect(readStatement(text)).toMatchObject({ kind: 'insert', rows: 'own', text });
    },
  );
});

test.each([
  ['SELECT 1 FORMAT JSON', 'JSON'],
  ["SELECT 'FORMAT CSV'", undefined],
  ['SELECT format FROM (SELECT 1 AS format FORMAT TSV)', undefined],
  ['SELECT 1 FORMAT JSON;', 'JSON'],
  ['SELECT f(1) FORMAT JSON SETTINGS max_threads = 1', 'JSON'],
  ['SELECT format FROM t', undefined],
  ['SELECT 1', undefined],
])('the format that %s asks for', (text, expected) => {
  expect(readStatement(text).format).toBe(expected);
});

test.each([
  ['', 'empty'],
  [' ; ', 'empty'],
  ['-- nothing\n/* at all */', 'empty'],
  ['SELECT 1;', 'other'],
  ['SELECT 1; -- done', 'other'],
  ['SELECT \';\', `;`, ";" -- ;\n/* ; */', 'other'],
  ["SELECT 'it''s', 'a\\';'", 'other'],
  ['SELECT 1; SELECT 2', 'multiple'],
  ['CREATE TABLE a (x Int8) ENGINE = Memory; DROP TABLE a', 'multiple'],
  ['INSERT INTO t VALUES (1); (2)', 'insert'],
])('%j is of the kind %s', (text, kind) => {
  expect(readStatement(text).kind).toBe(kind);
});

test('a quoted string keeps its quotes and backslashes', () => {
  expect(quoted("a'b\\c")).toBe("'a\\'b\\\\c'");
});
