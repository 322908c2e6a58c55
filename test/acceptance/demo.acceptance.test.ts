import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const ENDS_BY_ITSELF_MS = 200_000;

/** The demo as a stranger runs it: through npm, without a terminal; with a folder for temporary files of its own. */
class Demo {
  readonly #child: ChildProcess;
  readonly #temporary = mkdtempSync(join(tmpdir(), 'dbmazz-demo-test-'));
  readonly #ended = Promise.withResolvers<number | null>();
  output = '';

  constructor(...args: readonly string[]) {
    // As root the stack's PostgreSQL runs as another user, who has to get in.
    chmodSync(this.#temporary, 0o755);
    this.#child = spawn('npm', ['run', '--silent', 'demo', '--', ...args], {
      cwd: ROOT,
      env: { ...process.env, TMPDIR: this.#temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const keep = (text: Buffer): void => void (this.output += text.toString());
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    this.#child.once('close', (code) => this.#ended.resolve(code));
    onTestFinished(() => this.#cleanUp());
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

  /** Also after a test that has failed. */
  #cleanUp(): void {
    if (this.#child.exitCode === null) process.kill(-(this.#child.pid ?? 0), 'SIGKILL');
    rmSync(this.#temporary, { recursive: true, force: true });
  }

  /** Folders of stacks, and processes that were started with this demo's folder in their environment. */
  leftBehind(): string[] {
    const folders = readdirSync(this.#temporary).filter((name) => name.startsWith('dbmazz'));
    return [...folders, ...processesWith(`TMPDIR=${this.#temporary}`)];
  }

  /** As Ctrl-C does: to the whole process group of the terminal. */
  interrupt(): void {
    process.kill(-(this.#child.pid ?? 0), 'SIGINT');
  }
}

/** None where the system does not tell. */
function processesWith(variable: string): string[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(variable);
    } catch {
      return false;
    }
  });
}

test('the demo ends with both sinks equal to the source, and leaves nothing behind', { timeout: ENDS_BY_ITSELF_MS }, async () => {
  const demo = new Demo('--exit', '--seconds', '8');
  const code = await demo.exitCode();
  const closing = demo.output.trimEnd().split('\n').slice(-2);
  expect(closing[0], demo.output).toMatch(/^verified clickhouse: 8 tables, \d+ rows, 0 differences$/);
  expect(closing[1]).toBe(closing[0]?.replace('clickhouse', 'postgres'));
  expect(code).toBe(0);
  expect(demo.leftBehind()).toEqual([]);
});

test.each(['Kafka 4', 'flowing'])('Ctrl-C after it has said "%s" stops everything within ten seconds', async (moment) => {
  const demo = new Demo();
  await demo.hasSaid(moment);
  const askedAt = performance.now();
  demo.interrupt();
  expect(await demo.exitCode(), demo.output).toBe(0);
  expect(performance.now() - askedAt).toBeLessThan(10_000);
  expect(demo.leftBehind()).toEqual([]);
});
