import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, chown, cp, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../stack/ports.ts';
import { localPostgres, postgresAnswers, serverAccount } from '../../stack/postgres.ts';
import type { Command } from '../../stack/service.ts';
import { RecordedServer } from '../recorded-server.ts';

const SYSTEM_VERSIONS = '/usr/lib/postgresql';
const runFile = promisify(execFile);

export interface OwnServerOptions {
  /** Folder of the binaries; without it the server of the local stack is taken. */
  readonly binaries?: string | undefined;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Older versions that happen to be installed on this machine: version, and where their binaries are. */
export function installedVersions(): readonly (readonly [version: number, binaries: string])[] {
  const found = existsSync(SYSTEM_VERSIONS) ? readdirSync(SYSTEM_VERSIONS) : [];
  return found
    .map((name): readonly [number, string] => [Number(name), join(SYSTEM_VERSIONS, name, 'bin')])
    .filter(([version, binaries]) => version >= 14 && existsSync(join(binaries, 'initdb')));
}

/** A PostgreSQL server that belongs to one test file: for settings that the shared one cannot have, and for ending it. */
export class OwnPostgres implements AsyncDisposable {
  readonly url: string;
  readonly #folder: string;
  readonly #record: RecordedServer;
  readonly #command: Command;
  #server: ChildProcess | undefined;

  static async start({ binaries, settings = {} }: OwnServerOptions = {}): Promise<OwnPostgres> {
    const folder = await mkdtemp(join(tmpdir(), 'dbmazz-postgres-'));
    const record = new RecordedServer('postgres', folder);
    const made =
      binaries === undefined ? await localPostgres({ folder, onProgress: () => undefined, helpers: record.helpers }) : await initialise(folder, binaries);
    const server = new OwnPostgres(folder, record, made);
    await server.run(settings);
    return server;
  }

  private constructor(folder: string, record: RecordedServer, { url, command }: { readonly url: string; readonly command: Command }) {
    this.#folder = folder;
    this.#record = record;
    this.url = url;
    this.#command = command;
  }

  /** Starts it, or starts it anew with other settings. */
  async run(settings: Readonly<Record<string, string>>): Promise<void> {
    await this.#end('SIGINT');
    const { file, args, cwd, uid, gid } = this.#command;
    const given = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.#server = spawn(file, [...args, ...given], {
      ...(cwd === undefined ? {} : { cwd }),
      ...(uid === undefined || gid === undefined ? {} : { uid, gid }),
      stdio: 'ignore',
    });
    this.#record.runs(this.url, this.#server.pid);
    while (!(await answers(this.url))) {
      if (this.#server.exitCode !== null) throw new Error(`The server ended at its start with ${this.#server.exitCode}.`);
    }
  }

  /** Puts a file beside its data that it alone can read; gives the path. */
  async put(name: string, text: string): Promise<string> {
    const path = join(this.#folder, name);
    await writeFile(path, text, { mode: 0o600 });
    const { uid, gid } = this.#command;
    if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
    return path;
  }

  /** Ends it, and keeps its data as they are, for `restore`. */
  async remember(): Promise<void> {
    await this.#end('SIGINT');
    await cp(join(this.#folder, 'data'), join(this.#folder, 'remembered'), { recursive: true, preserveTimestamps: true });
    await this.#own(join(this.#folder, 'remembered'));
  }

  /** Ends it, and begins where `remember` was called, as a standby would that was promoted then. */
  async restore(): Promise<void> {
    await this.#end('SIGINT');
    await rm(join(this.#folder, 'data'), { recursive: true });
    await rename(join(this.#folder, 'remembered'), join(this.#folder, 'data'));
    await this.put('data/recovery.signal', '');
    await this.run({ restore_command: 'false', hot_standby: 'off' });
  }

  /** As a crash would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Makes all of its processes hang. The first stops first: it then neither starts nor buries another. */
  hang(): void {
    const pid = this.#server?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    for (const child of childrenOf(pid)) process.kill(child, 'SIGSTOP');
  }

  /** Ends what `hang` began. */
  wake(): void {
    const pid = this.#server?.pid ?? 0;
    for (const child of childrenOf(pid)) process.kill(child, 'SIGCONT');
    process.kill(pid, 'SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGQUIT');
    await this.#record[Symbol.asyncDispose]();
  }

  async #own(folder: string): Promise<void> {
    const { uid, gid } = this.#command;
    await chmod(folder, 0o700);
    if (uid === undefined || gid === undefined) return;
    await chown(folder, uid, gid);
    for (const name of await readdir(folder, { recursive: true })) await chown(join(folder, name), uid, gid);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    server.once('exit', () => resolve());
    server.kill(signal);
    await promise;
  }
}

function childrenOf(pid: number): number[] {
  const output = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return output
    .split('\n')
    .map((line) => Number(line))
    .filter((child) => child > 0);
}

async function answers(url: string): Promise<boolean> {
  try {
    await postgresAnswers(url);
    return true;
  } catch {
    return false;
  }
}

async function initialise(folder: string, binaries: string): Promise<{ readonly url: string; readonly command: Command }> {
  const account = process.getuid?.() === 0 ? serverAccount(readFileSync('/etc/passwd', 'utf8')) : undefined;
  if (account !== undefined) await chown(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  await runFile(join(binaries, 'initdb'), [`--pgdata=${data}`, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'], {
    cwd: folder,
    ...account,
  });
  const port = await freePort();
  const settings = { wal_level: 'logical', port, listen_addresses: '127.0.0.1', unix_socket_directories: '', timezone: 'UTC' };
  const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, command: { file: join(binaries, 'postgres'), args, cwd: folder, ...account } };
}
