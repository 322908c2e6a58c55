import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import type { WholeTransaction } from '../../examples/transactions/transaction-assembler.ts';
import { shopOfRun } from './shop.ts';

const ROOT = new URL('../../', import.meta.url);
const { source, transactions } = shopOfRun();

test('the example prints the transactions of the source, whole and in the order of their commits', async () => {
  const seen = await runExample();
  expect(seen.map(({ changes }) => changes.length)).toEqual(transactions);
  expect(seen.map(({ changes }) => new Set(changes.map(({ topic }) => topic)).size)).toEqual(transactions.map(() => 1));
  const times = seen.map(({ committedAt }) => committedAt);
  expect(times).toEqual(times.toSorted());
});

/** Until it has printed as many as there are. */
async function runExample(): Promise<readonly WholeTransaction[]> {
  const child = spawn(process.execPath, ['examples/transactions/rebuild-transactions.ts', source], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  const seen: WholeTransaction[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    seen.push(JSON.parse(line) as WholeTransaction);
    if (seen.length === transactions.length) child.kill('SIGTERM');
  }
  expect(await ended).toEqual([0, null]);
  return seen;
}
