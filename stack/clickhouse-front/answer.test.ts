import { expect, test } from 'vitest';
import { contentType, engineErrorOf, errorBody, httpStatus, summaryHeader } from './answer.ts';

test('an error of the engine keeps its number, its name and its text', () => {
  const error = engineErrorOf(new Error('Code: 60. DB::Exception: Table default.nope does not exist. Maybe (x)?. (UNKNOWN_TABLE)'));

  expect(error).toMatchObject({ code: 60, codeName: 'UNKNOWN_TABLE', message: 'Table default.nope does not exist. Maybe (x)?.' });
  expect(httpStatus(error)).toBe(404);
  expect(errorBody(error, '26.7.2.1')).toBe(
    'Code: 60. DB::Exception: Table default.nope does not exist. Maybe (x)?. (UNKNOWN_TABLE) (version 26.7.2.1 (official build))\n',
  );
});

test('a version behind the name is not taken for the name', () => {
  const error = engineErrorOf(
    new Error('Code: 108. DB::Exception: Code: 108. DB::Exception: No data to insert. (NO_DATA_TO_INSERT) (version 26.7.2.1). (NO_DATA_TO_INSERT)'),
  );

  expect(error).toMatchObject({ code: 108, codeName: 'NO_DATA_TO_INSERT' });
});

test.each([
  ['SYNTAX_ERROR', 400],
  ['AUTHENTICATION_FAILED', 403],
  ['UNKNOWN_DATABASE', 404],
  ['NOT_IMPLEMENTED', 501],
  ['MEMORY_LIMIT_EXCEEDED', 500],
])('%s is told as HTTP %i', (name, status) => {
  expect(httpStatus(engineErrorOf(new Error(`Code: 1. DB::Exception: x. (${name})`)))).toBe(status);
});

test("an error that is not the engine's is one of its unknown exceptions", () => {
  expect(engineErrorOf(new Error('disk full'))).toMatchObject({ code: 1002, message: 'disk full' });
});

test('the summary counts in strings', () => {
  const outcome = { bytes: new Uint8Array(0), elapsedSeconds: 0.5, readRows: 3, readBytes: 30, writtenRows: 3, writtenBytes: 30 };

  expect(JSON.parse(summaryHeader(outcome))).toMatchObject({ written_rows: '3', result_rows: '3', read_bytes: '30', elapsed_ns: '500000000' });
});

test.each([
  ['JSONEachRow', 'application/x-ndjson; charset=UTF-8'],
  ['JSONCompactEachRow', 'application/x-ndjson; charset=UTF-8'],
  ['JSON', 'application/json; charset=UTF-8'],
  ['TabSeparated', 'text/tab-separated-values; charset=UTF-8'],
  ['RowBinaryWithNamesAndTypes', 'application/octet-stream'],
])('the content type of %s', (format, expected) => {
  expect(contentType(format)).toBe(expected);
});
