import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const ENDS_BY_ITSELF_MS = 200_000;

/** The demo as a stranger runs it: through npm, without a terminal. */
class Demo {
  readonly #child: ChildProcess;
  readonly #ended = Promise.withResolvers<number | null>();
  output = '';

  constructor(...args: readonly string[]) {
    this.#child = spawn('npm', ['run', '--silent', 'demo', '--', ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const keep = (text: Buffer): void => void (this.output += text.toString());
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    this.#child.once('close', (code) => this.#ended.resolve(code));
  }

  async exitCode(): Promise<number | null> {
    return this.#ended.promise;
  }

  async hasSaid(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.#child.exitCode !== null) throw new Error(`The demo ended before it said "${text}":\n${this.output}`);
      await delay(50);
    }
  }

  /** As Ctrl-C does: to the whole process group of the terminal. */
  interrupt(): void {
    process.kill(-(this.#child.pid ?? 0), 'SIGINT');
  }
}

function stackFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('dbmazz-stack-'));
}

test('the demo ends with both sinks equal to the source, and leaves nothing behind', { timeout: ENDS_BY_ITSELF_MS }, async () => {
  const before = stackFolders();
  const demo = new Demo('--exit', '--seconds', '8');
  const code = await demo.exitCode();
  const closing = demo.output.trimEnd().split('\n').slice(-2);
  expect(closing[0], demo.output).toMatch(/^verified clickhouse: 8 tables, \d+ rows, 0 differences$/);
  expect(closing[1]).toBe(closing[0]?.replace('clickhouse', 'postgres'));
  expect(code).toBe(0);
  expect(stackFolders().filter((name) => !before.includes(name))).toEqual([]);
});

test.each(['Kafka 4', 'flowing'])('Ctrl-C after it has said "%s" stops everything within ten seconds', async (moment) => {
  const before = stackFolders();
  const demo = new Demo();
  await demo.hasSaid(moment);
  const askedAt = performance.now();
  demo.interrupt();
  expect(await demo.exitCode(), demo.output).toBe(0);
  expect(performance.now() - askedAt).toBeLessThan(10_000);
  expect(stackFolders().filter((name) => !before.includes(name))).toEqual([]);
});
