import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { provide } from '../../stack/cache.ts';

const run = promisify(execFile);
const PACKAGES = ['kcat', 'librdkafka1', 'libyajl2'];

export interface Kcat {
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
}

/** kcat of the machine, or Debian's from the user's cache. */
export async function provideKcat(): Promise<Kcat> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const file = folders.flatMap((folder) => [join(folder, 'kcat'), join(folder, 'kafkacat')]).find((candidate) => existsSync(candidate));
  if (file !== undefined) return { file, env: process.env };
  const usr = join(await provide('kcat', downloadDebian), 'root', 'usr');
  const libraries = readdirSync(join(usr, 'lib')).map((name) => join(usr, 'lib', name));
  return { file: join(usr, 'bin', 'kcat'), env: { ...process.env, LD_LIBRARY_PATH: libraries.join(delimiter) } };
}

async function downloadDebian(folder: string): Promise<void> {
  try {
    // A machine that is new has no list of packages yet.
    await run('apt-get', ['download', ...PACKAGES], { cwd: folder }).catch(async () => {
      await run('apt-get', ['update', '-qq']);
      await run('apt-get', ['download', ...PACKAGES], { cwd: folder });
    });
    await mkdir(join(folder, 'root'));
    for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.deb'))) await run('dpkg-deb', ['-x', join(folder, name), join(folder, 'root')]);
  } catch (error) {
    throw new Error('kcat was not found, and Debian’s could not be downloaded: install it (Debian: apt-get install kcat), and try again.', { cause: error });
  }
}

/** What it prints; with input, what it is fed. */
export async function kcat({ file, env }: Kcat, args: readonly string[], input = ''): Promise<Buffer> {
  const child = spawn(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const [output, errors]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => errors.push(bytes));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`kcat ended with ${code}: ${Buffer.concat(errors).toString()}`);
  return Buffer.concat(output);
}
