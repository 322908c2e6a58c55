import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cleanUpAbandoned } from '../stack/mod.ts';
import { postgresAnswers } from '../stack/postgres.ts';

test('a server of a run that was killed is ended and removed by the next one', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'own-postgres-child.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { url, file } = JSON.parse(line.toString()) as { readonly url: string; readonly file: string };
  await cleanUpAbandoned(() => undefined);
  await postgresAnswers(url);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  await postgresAnswers(url);
  await cleanUpAbandoned(() => undefined);
  await expect(postgresAnswers(url)).rejects.toThrow();
  expect(existsSync(dirname(file))).toBe(false);
});
