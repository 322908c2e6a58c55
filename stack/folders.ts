import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export function newStackId(): string {
  return randomBytes(5).toString('hex');
}

/** A stack's data, in the folder for temporary files. Other users may pass through: as root, PostgreSQL runs as one. */
export function makeStackFolder(id: string): string {
  const base = process.getuid?.() === 0 && !everyoneMayEnter(tmpdir()) ? '/tmp' : tmpdir();
  const folder = join(base, `dbmazz-stack-${id}`);
  mkdirSync(folder);
  chmodSync(folder, 0o711);
  return folder;
}

export function makeServiceFolder(stackFolder: string, name: string): string {
  const folder = join(stackFolder, name);
  mkdirSync(folder);
  chmodSync(folder, 0o700);
  return folder;
}

function everyoneMayEnter(folder: string): boolean {
  const parent = dirname(folder);
  return (statSync(folder).mode & 0o001) !== 0 && (parent === folder || everyoneMayEnter(parent));
}
