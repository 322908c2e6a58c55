import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Authority, type CertificateWish } from '../../test/contract/certificates.ts';
import { installedVersions, OwnPostgres } from '../../test/contract/own-postgres.ts';
import { createSink } from '../../test/contract/postgres-harness.ts';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';

/** An address that leads to this machine, and that is none of the names of loopback. */
const NOT_LOOPBACK = '0.0.0.0';
const USER = 'connected';
const authority = new Authority('test authority');
const clientAuthority = new Authority('authority of clients');
const servers = [['newest', undefined] as const, ...installedVersions()];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dbmazz-certificates-'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe.each(servers)('a server with TLS (version: %s)', (_, binaries) => {
  let server: OwnPostgres;
  let bench: PostgresBench;
  let ca: string;

  beforeAll(async () => {
    server = await OwnPostgres.start({ binaries });
    ca = fileOf('ca.pem', authority.cert);
    bench = await PostgresBench.open(server.url);
    await bench.query(`CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE ROLE ${USER} LOGIN SUPERUSER PASSWORD 'hush'`);
    await serve({ subject: 'server', hosts: ['localhost', '127.0.0.1'] });
  });
  afterAll(async () => {
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** Everybody else may come as before; our user as `rule` says. */
  async function serve(wish: CertificateWish, rule = `hostssl all ${USER} all scram-sha-256`): Promise<void> {
    const { cert, key } = authority.issue(wish);
    await server.run({
      ssl: 'on',
      ssl_cert_file: await server.put('server.pem', cert),
      ssl_key_file: await server.put('server.key', key),
      ssl_ca_file: await server.put('clients.pem', clientAuthority.cert),
      hba_file: await server.put('rules.conf', `${rule}\nhost all ${USER} all reject\nhost all all all trust\n`),
    });
  }

  function url(host: string, query: string): string {
    const address = Object.assign(new URL(bench.url), { username: USER, password: 'hush', hostname: host, search: query });
    return address.href;
  }

  const findings = async (host: string, query: string) => bench.findings({ SOURCE_URL: url(host, query), TABLES: 'public.t' });

  test('is verified by default unless it is on loopback: an authority that nobody knows is refused, and trusted once it is named', async () => {
    await expect(findings(NOT_LOOPBACK, '')).rejects.toMatchObject({
      code: 'TLS_FAILED',
      message: expect.stringContaining('signed by nobody who is trusted here') as string,
      remedy: expect.stringContaining('sslrootcert=') as string,
    });
    await expect(findings(NOT_LOOPBACK, `sslrootcert=${ca}`)).rejects.toMatchObject({
      code: 'TLS_FAILED',
      message: expect.stringContaining('for another host') as string,
      remedy: expect.stringContaining('sslmode=verify-ca') as string,
    });
    expect(await findings(NOT_LOOPBACK, `sslrootcert=${ca}&sslmode=verify-ca`)).toEqual([]);
    expect(await findings('localhost', `sslrootcert=${ca}&sslmode=verify-full`)).toEqual([]);
    expect(await findings('127.0.0.1', `sslrootcert=${ca}&sslmode=verify-full`)).toEqual([]);
  });

  test.each(['require', 'prefer', 'allow'])('is not verified with sslmode=%s, and encrypted all the same', async (mode) => {
    expect(await findings(NOT_LOOPBACK, `sslmode=${mode}`)).toEqual([]);
  });

  test('that wants TLS refuses those who come without, and the remedy names sslmode', async () => {
    await expect(findings('localhost', '')).rejects.toMatchObject({ code: 'AUTH_FAILED', remedy: expect.stringContaining('sslmode') as string });
    await expect(findings(NOT_LOOPBACK, 'sslmode=disable')).rejects.toMatchObject({ code: 'AUTH_FAILED' });
  });

  test('streams and is read over connections that are all encrypted', async () => {
    const run = await bench.start({ SOURCE_URL: url('localhost', `sslrootcert=${ca}&sslmode=verify-full`) });
    await bench.snapshotDone(run);
    await bench.query('INSERT INTO t VALUES (2)');
    await bench.caughtUp(run);
    const [used] = await bench.query(
      `SELECT bool_and(ssl) AS encrypted, count(*) FILTER (WHERE backend_type = 'walsender')::int AS streams
       FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = $1`,
      [USER],
    );
    expect(used).toEqual({ encrypted: true, streams: 1 });
    await run.stop();
  });

  test('is verified by the sink alike', async () => {
    const refusal = async (query: string) => {
      const sink = createSink({ SINK_URL: url(NOT_LOOPBACK, query) });
      try {
        return await sink.validateConnection();
      } finally {
        await sink.close();
      }
    };
    await expect(refusal('')).rejects.toMatchObject({ code: 'TLS_FAILED', remedy: expect.stringContaining('to SINK_URL (sslrootcert=system') as string });
    expect(await refusal(`sslrootcert=${ca}&sslmode=verify-ca`)).toEqual([]);
  });

  test('whose certificate has expired is refused', async () => {
    await serve({ subject: 'server', hosts: ['localhost'], days: [-10, -1] });
    await expect(findings('localhost', `sslrootcert=${ca}&sslmode=verify-full`)).rejects.toMatchObject({
      code: 'TLS_FAILED',
      message: expect.stringContaining('CERT_HAS_EXPIRED') as string,
    });
  });

  test('that asks for client certificates takes the one of sslcert and sslkey, and refuses none and a strange one', async () => {
    await serve({ subject: 'server', hosts: ['localhost'] }, `hostssl all ${USER} all cert`);
    const verified = `sslrootcert=${ca}&sslmode=verify-full`;
    const [mine, strange] = [clientAuthority.issue({ subject: USER }), authority.issue({ subject: USER })];
    const pair = (name: string, { cert, key }: typeof mine) => `&sslcert=${fileOf(`${name}.pem`, cert)}&sslkey=${fileOf(`${name}.key`, key)}`;
    await expect(findings('localhost', verified)).rejects.toMatchObject({ code: 'AUTH_FAILED', remedy: expect.stringContaining('sslcert') as string });
    await expect(findings('localhost', verified + pair('strange', strange))).rejects.toMatchObject({
      code: 'TLS_FAILED',
      remedy: expect.stringContaining('sslcert') as string,
    });
    expect(await findings('localhost', verified + pair('mine', mine))).toEqual([]);
  });

  test('that is switched off is said as that, and sslmode=prefer goes without', async () => {
    await server.run({});
    await bench.query(`SELECT 1`).catch(() => undefined);
    await expect(findings(NOT_LOOPBACK, '')).rejects.toMatchObject({
      code: 'TLS_FAILED',
      message: 'The server of SOURCE_URL offers no TLS, and SOURCE_URL asks for it.',
      remedy: expect.stringContaining('sslmode=disable') as string,
    });
    expect(await findings(NOT_LOOPBACK, 'sslmode=prefer')).toEqual([]);
    expect(await findings(NOT_LOOPBACK, 'sslmode=disable')).toEqual([]);
  });
});
