import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { link, mkdir, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, ownMark, type ProcessMark } from './process.ts';

/** The user's cache folder: what was downloaded once, and the state files of running stacks. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'dbmazz-kafka');
}

export function stacksFolder(): string {
  return join(cacheFolder(), 'stacks');
}

/**
 * The folder of one pinned download, filled on first use. It appears under its name only when it is complete, so a
 * killed download is never taken for a whole one, and two processes that want the same do not harm each other.
 */
export async function provide(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const target = join(cacheFolder(), name);
  if (existsSync(target)) return target;
  await mkdir(cacheFolder(), { recursive: true });
  return withLock(name, async () => {
    if (existsSync(target)) return target;
    await removeAbandonedDownloads();
    const temporary = join(cacheFolder(), temporaryName(name, ownMark()));
    try {
      await mkdir(temporary);
      await fill(temporary);
      await renameUnlessThere(temporary, target);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    return target;
  });
}

async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

/** One holder at a time among all processes of this user; a holder that died does not block the others. */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const file = join(cacheFolder(), `${name}.lock`);
  while (!(await tryLock(file))) await delay(100);
  try {
    return await work();
  } finally {
    await unlink(file).catch(() => undefined);
  }
}

async function tryLock(file: string): Promise<boolean> {
  // Written first and then linked, so that nobody ever reads a lock without its holder.
  const draft = `${file}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, JSON.stringify(ownMark()));
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await unlink(draft);
  }
  // Two that find a dead holder may both remove its lock; then both download, and the first rename wins.
  if (!holderLives(file)) await unlink(file).catch(() => undefined);
  return false;
}

function holderLives(file: string): boolean {
  try {
    return isAlive(JSON.parse(readFileSync(file, 'utf8')) as ProcessMark);
  } catch {
    return false;
  }
}

const TEMPORARY = /^(.+)\.tmp-(\d+)-(.+)-[0-9a-f]{8}$/;

function temporaryName(name: string, mark: ProcessMark): string {
  return `${name}.tmp-${mark.pid}-${encodeURIComponent(mark.startTime)}-${randomBytes(4).toString('hex')}`;
}

/** The process that fills a temporary folder, from the folder's name; undefined for any other folder. */
export function fillerOf(folderName: string): ProcessMark | undefined {
  const [, , pid, startTime] = TEMPORARY.exec(folderName) ?? [];
  if (pid === undefined || startTime === undefined) return undefined;
  return { pid: Number(pid), startTime: decodeURIComponent(startTime) };
}

async function removeAbandonedDownloads(): Promise<void> {
  for (const entry of readdirSync(cacheFolder())) {
    const filler = fillerOf(entry);
    if (filler !== undefined && !isAlive(filler)) await rm(join(cacheFolder(), entry), { recursive: true, force: true });
  }
}
