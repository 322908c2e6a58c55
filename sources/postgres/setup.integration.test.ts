import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { PostgresBench } from '../../test/contract/postgres-source-bench.ts';

/** A role of its own with a password, gone with its bench. */
class Role implements AsyncDisposable {
  readonly bench: PostgresBench;
  readonly name: string;
  readonly url: string;

  static async create(bench: PostgresBench, attributes: string): Promise<Role> {
    const role = new Role(bench, `role "${randomBytes(4).toString('hex')}`);
    await bench.query(`CREATE ROLE ${role.quoted} LOGIN PASSWORD 'hush' ${attributes}`);
    return role;
  }

  private constructor(bench: PostgresBench, name: string) {
    this.bench = bench;
    this.name = name;
    const url = new URL(bench.url);
    url.username = encodeURIComponent(name);
    url.password = 'hush';
    this.url = url.href;
  }

  get quoted(): string {
    return `"${this.name.replaceAll('"', '""')}"`;
  }

  async findings(settings: Readonly<Record<string, string>> = {}) {
    return this.bench.findings({ SOURCE_URL: this.url, TABLES: 'public.t', ...settings });
  }

  /** What the remedies say, done. */
  async remedy(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    for (const { remedy } of await this.findings(settings)) await this.bench.query(remedy.replace('Let an administrator run: ', ''));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bench.query(`REASSIGN OWNED BY ${this.quoted} TO CURRENT_USER; DROP OWNED BY ${this.quoted}; DROP ROLE ${this.quoted}`);
  }
}

async function benchWith(tables: string): Promise<PostgresBench> {
  const bench = await PostgresBench.open();
  await bench.query(tables);
  return bench;
}

const codes = (findings: readonly { readonly code: string }[]) => findings.map(({ code }) => code);

describe('rights', () => {
  test('of an ordinary role are all named at once, and their statements put them right', async () => {
    await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
    await using role = await Role.create(bench, '');
    await bench.query('REVOKE USAGE ON SCHEMA public FROM PUBLIC');
    const findings = await role.findings();
    expect(findings.map(({ message }) => message)).toEqual([
      `User ${role.name} of SOURCE_URL may not create or read a replication slot.`,
      `User ${role.name} of SOURCE_URL may not read table public.t.`,
      expect.stringContaining(`may not create publication ${bench.slot}`),
    ]);
    await role.remedy();
    expect(await role.findings()).toEqual([]);
    const run = await bench.start({ SOURCE_URL: role.url });
    await bench.snapshotDone(run);
    await bench.query('INSERT INTO t VALUES (2)');
    await bench.caughtUp(run);
    expect([run.reads('public.t').length, run.changes('public.t').length]).toEqual([1, 1]);
    await run.stop();
  });

  test('an owner needs REPLICATION, and CREATE on the database', async () => {
    await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY)');
    await using role = await Role.create(bench, '');
    await bench.query(`ALTER TABLE t OWNER TO ${role.quoted}`);
    expect(codes(await role.findings())).toEqual(['SETUP_GRANT_MISSING', 'SETUP_GRANT_MISSING']);
    await bench.query(`ALTER ROLE ${role.quoted} REPLICATION; GRANT CREATE ON DATABASE ${bench.name} TO ${role.quoted}`);
    expect(await role.findings()).toEqual([]);
  });

  test('a publication of somebody else that lacks a table has to be changed by him', async () => {
    await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)');
    await using role = await Role.create(bench, 'REPLICATION');
    await bench.query(`GRANT SELECT ON t, u TO ${role.quoted}; CREATE PUBLICATION "by hand" FOR TABLE u`);
    const settings = { SOURCE_PUBLICATION_NAME: 'by hand' };
    expect(await role.findings(settings)).toMatchObject([
      { code: 'SETUP_GRANT_MISSING', remedy: 'Let an administrator run: ALTER PUBLICATION "by hand" ADD TABLE ONLY "public"."t";' },
    ]);
    await role.remedy(settings);
    expect(await role.findings(settings)).toEqual([]);
  });

  test('row-level security would make the snapshot a part of the table', async () => {
    await using bench = await benchWith(
      'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY one ON t USING (id = 1); CREATE PUBLICATION p FOR TABLE t',
    );
    await using role = await Role.create(bench, 'REPLICATION');
    await bench.query(`GRANT SELECT ON t TO ${role.quoted}`);
    const settings = { SOURCE_PUBLICATION_NAME: 'p' };
    expect(await role.findings(settings)).toMatchObject([{ code: 'SETUP_GRANT_MISSING', remedy: `ALTER ROLE ${role.quoted} BYPASSRLS;` }]);
    const run = await bench.start({ ...settings, SOURCE_URL: role.url });
    await expect(run.ended).rejects.toMatchObject({ code: 'SETUP_GRANT_MISSING' });
    await role.remedy(settings);
    expect(await role.findings(settings)).toEqual([]);
  });

  test('a wrong password and a database that is not there are refused logins', async () => {
    await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY)');
    await using role = await Role.create(bench, '');
    const wrong = role.url.replace(':hush@', ':guess@');
    await expect(bench.findings({ SOURCE_URL: wrong })).rejects.toMatchObject({ code: 'AUTH_FAILED', remedy: 'Check user and password in SOURCE_URL.' });
    await expect(bench.findings({ SOURCE_URL: role.url.replace(bench.name, 'not_there') })).rejects.toMatchObject({
      code: 'AUTH_FAILED',
      remedy: 'Check the database in SOURCE_URL.',
    });
  });
});

describe('tables', () => {
  test.each([
    ['without a key', 'CREATE TABLE t (id int)', 'no primary key'],
    ['with REPLICA IDENTITY NOTHING', 'CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY NOTHING', 'REPLICA IDENTITY NOTHING'],
    ['with a deferrable key', 'CREATE TABLE t (id int PRIMARY KEY DEFERRABLE)', 'a primary key that is deferrable'],
    [
      'whose identity index is gone',
      'CREATE TABLE t (id int PRIMARY KEY, c int NOT NULL); CREATE UNIQUE INDEX i ON t (c); ALTER TABLE t REPLICA IDENTITY USING INDEX i; DROP INDEX i',
      'the index is gone',
    ],
  ])('%s could not be updated any more once they are published', async (_, sql, what) => {
    await using bench = await benchWith(sql);
    expect(await bench.findings()).toMatchObject([{ severity: 'error', code: 'REPLICA_IDENTITY', message: expect.stringContaining(what) as string }]);
    await bench.query('ALTER TABLE t REPLICA IDENTITY FULL');
    expect(await bench.findings()).toEqual([]);
  });

  test('that are not there, and columns of a type that cannot be carried, are named together', async () => {
    await using bench = await benchWith('CREATE TYPE pair AS (a int, b int); CREATE TABLE t (id int PRIMARY KEY, p pair, q pair[])');
    const findings = await bench.findings({ TABLES: 'public.t,public.nothing,other.*', EXCLUDE_COLUMNS: 'public.t.q,public.t.secret,public.t.id' });
    expect(findings.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'TABLE_NOT_FOUND TABLES has public.nothing, but the source has no such table.',
      'TABLE_NOT_FOUND TABLES has other.*, but the source has no such table.',
      'TABLE_NOT_FOUND EXCLUDE_COLUMNS has public.t.secret, but no table of TABLES has such a column.',
      'CONFIG_INVALID EXCLUDE_COLUMNS leaves out id of public.t, which is part of its key.',
      'TYPE_UNSUPPORTED Column p of public.t has the type pair, which cannot be carried as it is.',
    ]);
  });
});

describe('a publication that was made by hand', () => {
  test.each([
    [`FOR TABLE t WITH (publish = 'insert')`, 'error', 'does not publish inserts, updates and deletes'],
    [`FOR TABLE t WITH (publish = 'insert, update, delete')`, 'warning', 'does not publish TRUNCATE'],
    ['FOR TABLE t', 'error', 'publishes the partitions of public.t under their own names'],
    ['FOR ALL TABLES', 'error', 'publishes the partitions of public.t under their own names'],
  ])('%s: %s', async (rest, severity, message) => {
    await using bench = await benchWith(
      `CREATE TABLE t (id int PRIMARY KEY) ${rest.includes('publish') ? '' : 'PARTITION BY HASH (id)'}; CREATE PUBLICATION p ${rest}`,
    );
    const findings = await bench.findings({ SOURCE_PUBLICATION_NAME: 'p' });
    expect(findings).toMatchObject([{ severity, code: 'SETUP_PUBLICATION', message: expect.stringContaining(message) as string }]);
    await bench.query(findings[0]?.remedy ?? '');
    expect(await bench.findings({ SOURCE_PUBLICATION_NAME: 'p' })).toEqual([]);
  });
});

test('a slot of another plugin, or of another database, is not ours', async () => {
  await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY)');
  await using other = await benchWith('CREATE TABLE t (id int PRIMARY KEY)');
  await other.query(`SELECT pg_create_logical_replication_slot('${other.slot}', 'pgoutput')`);
  expect(await bench.findings({ SOURCE_SLOT_NAME: other.slot })).toMatchObject([
    { code: 'SETUP_PUBLICATION', remedy: 'Set SOURCE_SLOT_NAME to another name.' },
  ]);
});

test('setting up a second time changes nothing', async () => {
  await using bench = await benchWith('CREATE TABLE t (id int PRIMARY KEY)');
  const state = () =>
    bench.query(
      'SELECT (SELECT json_agg(p) FROM pg_publication_tables p) AS tables, (SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1) AS lsn',
      [bench.slot],
    );
  await bench.prepare();
  const before = await state();
  await bench.prepare();
  expect(await state()).toEqual(before);
});
