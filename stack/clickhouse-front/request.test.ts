import { expect, test } from 'vitest';
import { readRequest, sameSecret } from './request.ts';

function request(query: string, headers: Record<string, string> = {}): ReturnType<typeof readRequest> {
  return readRequest(new URL(`http://front/?${query}`), headers);
}

test('what is not of the interface itself is a setting', () => {
  const read = request('query=SELECT+1&database=d&query_id=q&max_threads=3&wait_end_of_query=1&param_x=a%5Ctb&session_timeout=3');

  expect(read).toMatchObject({ query: 'SELECT 1', database: 'd', queryId: 'q', unsupported: undefined });
  expect([...read.settings]).toEqual([['max_threads', '3']]);
  expect([...read.params]).toEqual([['x', 'a\\tb']]);
});

test.each([
  [{ authorization: `Basic ${Buffer.from('u:p:w').toString('base64')}` }, '', { user: 'u', password: 'p:w' }],
  [{ 'x-clickhouse-user': 'u', 'x-clickhouse-key': 'k' }, '', { user: 'u', password: 'k' }],
  [{}, 'user=u&password=k', { user: 'u', password: 'k' }],
  [{}, '', { user: 'default', password: '' }],
])('credentials from %j and %j', (headers, query, expected) => {
  expect(request(query, headers as Record<string, string>)).toMatchObject(expected);
});

test('the answer is compressed only if the client takes it and asks for it', () => {
  const headers = { 'accept-encoding': 'gzip, br' };

  expect(request('enable_http_compression=1', headers).gzipAnswer).toBe(true);
  expect(request('', headers).gzipAnswer).toBe(false);
  expect(request('enable_http_compression=1').gzipAnswer).toBe(false);
});

test('a session is refused rather than ignored', () => {
  expect(request('session_id=s').unsupported).toBe('session_id');
  expect(request('compress=0').unsupported).toBeUndefined();
});

test('secrets are the same only when every byte is', () => {
  expect(sameSecret('abc', 'abc')).toBe(true);
  expect(sameSecret('abc', 'abd')).toBe(false);
  expect(sameSecret('abc', 'abcd')).toBe(false);
});
