import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../../test/contract/certificates.ts';
import { ServerTls } from './server-tls.ts';

const folder = mkdtempSync(join(tmpdir(), 'dbmazz-tls-'));
afterAll(() => rmSync(folder, { recursive: true }));

const authority = new Authority('test authority');
const [client, other] = [authority.issue({ subject: 'client' }), authority.issue({ subject: 'other' })];
const ca = fileOf('ca.pem', authority.cert);
const [cert, key, otherKey] = [fileOf('client.pem', client.cert), fileOf('client.key', client.key), fileOf('other.key', other.key)];

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function take(address: string) {
  const url = new URL(`postgres://${address}`);
  return { url, ...ServerTls.take(url, 'SOURCE_URL') };
}

/** What the driver is told: whether it verifies the chain, and the name. */
async function protection(address: string): Promise<string> {
  const ssl = await take(address).tls.driverTls();
  if (ssl === false) return 'none';
  if (ssl.rejectUnauthorized === false) return 'encrypted';
  return ssl.checkServerIdentity === undefined ? 'chain and name' : 'chain';
}

describe('without sslmode', () => {
  test.each([
    ['db.example', 'chain and name'],
    ['db.example:6432', 'chain and name'],
    ['10.0.0.1', 'chain and name'],
    ['localhost.example', 'chain and name'],
    ['127.0.0.1.example', 'chain and name'],
    ['[2001:db8::1]', 'chain and name'],
    [`db.example/shop?sslrootcert=${ca}`, 'chain and name'],
    ['localhost/shop?host=db.example', 'chain and name'],
    ['localhost', 'none'],
    ['LOCALHOST:5433', 'none'],
    ['127.0.0.1', 'none'],
    ['127.8.9.10', 'none'],
    ['[::1]:5432', 'none'],
    ['/shop', 'none'],
    ['/shop?host=/var/run/postgresql', 'none'],
    ['%2Fvar%2Frun%2Fpostgresql/shop', 'none'],
  ])('postgres://%s: %s', async (address, expected) => {
    expect(await protection(address)).toBe(expected);
  });
});

describe('with sslmode', () => {
  test.each([
    ['disable', 'none'],
    ['require', 'encrypted'],
    ['verify-ca', 'chain'],
    ['verify-full', 'chain and name'],
  ])('%s: %s, wherever the server is', async (mode, expected) => {
    expect(await protection(`db.example?sslmode=${mode}`)).toBe(expected);
    expect(await protection(`localhost?sslmode=${mode}`)).toBe(expected);
  });

  test('require verifies the chain where it is told which authority to trust, as libpq does', async () => {
    expect(await protection(`db.example?sslmode=require&sslrootcert=${ca}`)).toBe('chain');
  });

  test('a socket of this machine has no TLS', async () => {
    expect(await protection('/shop?host=/var/run/postgresql&sslmode=verify-full')).toBe('none');
  });
});

test('the parameters leave the URL, and others stay', () => {
  const { url, problems } = take(`u:p%40@db.example/shop?sslmode=verify-ca&sslrootcert=${ca}&sslcert=${cert}&sslkey=${key}&options=-c%20a%3Db`);
  expect([[...url.searchParams], url.password, problems]).toEqual([[['options', '-c a=b']], 'p%40', []]);
});

test('certificates are those of the files', async () => {
  const { tls } = take(`db.example/shop?sslrootcert=${ca}&sslcert=${cert}&sslkey=${key}`);
  expect(await tls.driverTls()).toEqual({ ca: [authority.cert.trim()], cert: client.cert, key: client.key });
  expect(inspect(tls, { depth: 9 })).not.toContain('PRIVATE KEY');
});

test('the authorities of this machine are trusted where that is said', async () => {
  const ssl = await take('db.example/shop?sslrootcert=system').tls.driverTls();
  expect(ssl === false ? undefined : ssl.ca).toBeInstanceOf(Array);
});

describe('what is not right is said', () => {
  test.each([
    ['sslmode=on', 'has sslmode=on: expected one of: disable, allow, prefer, require, verify-ca, verify-full'],
    ['ssl=true', 'has ssl, which is not understood: use sslmode=disable|allow|prefer|require|verify-ca|verify-full'],
    [`sslrootcert=${key}`, `has sslrootcert=${key}, which holds no certificate in PEM form`],
    ['sslrootcert=/not/there', 'has sslrootcert=/not/there, which cannot be read (ENOENT)'],
    [`sslcert=${cert}`, 'has sslcert alone: a client certificate needs both'],
    [`sslkey=${key}`, 'has sslkey alone: a client certificate needs both'],
    [`sslcert=${cert}&sslkey=${otherKey}`, 'has an sslcert and an sslkey that cannot be used together (ERR_OSSL_X509_KEY_VALUES_MISMATCH)'],
  ])('%s', (query, problem) => {
    expect(take(`db.example/shop?${query}`).problems).toEqual([problem]);
  });
});
