import { setTimeout as delay } from 'node:timers/promises';
import { readVerifySettings } from '../verify/settings.ts';
import { type TableReport, verify, type VerifyReport } from '../verify/verify.ts';
import { describeTable } from '../verify/describe-report.ts';
import { CommandFailure, formatCount } from '../terminal.ts';
import { untilCaughtUp } from './catch-up.ts';
import { type DemoWorld, openWorld, sinkName, SINKS, SLOT, SOURCE_NAME } from './demo-world.ts';
import { Observer } from './observer.ts';
import { drawIntroduction } from './picture.ts';
import { openScreen, type Screen } from './screen.ts';

export interface DemoOptions {
  /** Whether it ends by itself after the verification. */
  readonly endsByItself: boolean;
  /** How long the shop is open before that. */
  readonly seconds: number;
  readonly changesPerSecond: number;
  /** Ends it whenever it comes. */
  readonly signal: AbortSignal;
  /** Told when the user asks for a verification; returns how to stop listening. */
  readonly onVerifyKey: (verifyNow: () => void) => () => void;
}

export interface DemoResult {
  readonly reports: readonly VerifyReport[];
}

const FRAME_MS = 500;
const CATCH_UP_MS = 90_000;
const START_MS = 60_000;

/**
 * The main job, whole: a stack, an order shop with customers in it, one source, two sinks; shows what flows, and
 * compares each sink with the source. When it resolves or rejects, everything that it has started is gone.
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const screen = openScreen();
  screen.say(drawIntroduction(screen.drawsScenes));
  await using world = await openWorld({ ...options, say: (line) => screen.say(line) });
  const observer = new Observer(world);
  const reports = options.endsByItself ? await flowOnce(options, world, observer, screen) : await flowUntilStopped(options, world, observer, screen);
  screen.rest();
  screen.say(`\n${observer.summary()}`);
  if (!options.signal.aborted) screen.say('\nStopping everything and removing its data …');
  return { reports };
}

async function flowOnce(options: DemoOptions, world: DemoWorld, observer: Observer, screen: Screen): Promise<readonly VerifyReport[]> {
  await watch({ ...options, world, observer, screen, hint: 'starting: each part opens its connections', isOver: within(START_MS, () => observer.isFlowing) });
  await watch({
    ...options,
    world,
    observer,
    screen,
    hint: `ends by itself after ${options.seconds} s of this, and a verification`,
    isOver: within(options.seconds * 1000, () => false),
  });
  options.signal.throwIfAborted();
  return verifyAll(options, world, observer, screen);
}

async function flowUntilStopped(options: DemoOptions, world: DemoWorld, observer: Observer, screen: Screen): Promise<readonly VerifyReport[]> {
  let isAsked = false;
  const stopListening = options.onVerifyKey(() => (isAsked = true));
  try {
    while (!options.signal.aborted) {
      await watch({
        ...options,
        world,
        observer,
        screen,
        hint: 'v: compare the sinks with the source now · Ctrl-C: stop and remove everything',
        isOver: () => isAsked,
      });
      if (options.signal.aborted) break;
      isAsked = false;
      await verifyAll(options, world, observer, screen);
      world.openShop();
    }
  } finally {
    stopListening();
  }
  return [];
}

/** True once it is so, and after that time in any case. */
function within(ms: number, isSo: () => boolean): () => boolean {
  const end = performance.now() + ms;
  return () => isSo() || performance.now() > end;
}

interface Watch {
  readonly world: DemoWorld;
  readonly observer: Observer;
  readonly screen: Screen;
  readonly hint: string;
  readonly signal: AbortSignal;
  readonly isOver: () => boolean;
}

/** Draws what flows until it is over or stopped. Throws what has gone wrong in one of the parts. */
async function watch({ world, observer, screen, hint, signal, isOver }: Watch): Promise<void> {
  while (!isOver() && !signal.aborted) {
    await Promise.race([observer.look(), world.failed]);
    screen.show(observer.scene('flowing', hint));
    await Promise.race([delay(FRAME_MS, undefined, { signal }).catch(() => undefined), world.failed]);
  }
}

/** Closes the shop for a moment, waits until every change has arrived, and compares. */
async function verifyAll({ signal }: DemoOptions, world: DemoWorld, observer: Observer, screen: Screen): Promise<readonly VerifyReport[]> {
  await world.closeShop();
  screen.show(observer.scene('arriving', 'the shop is closed for a moment, until every change has arrived'));
  const groups = SINKS.map((sink) => `dbmazz.${sinkName(sink)}`);
  const arrived = untilCaughtUp({
    source: world.source,
    sourceUrl: world.urls.source,
    slot: SLOT,
    sourceName: SOURCE_NAME,
    groups,
    overview: world.overview,
    withinMs: CATCH_UP_MS,
    signal,
  });
  await Promise.race([arrived.catch(withLogs(world)), world.failed]);
  await observer.look();
  await observer.lookAtRows();
  screen.show(observer.scene('arrived', 'comparing every row of every table'));
  screen.rest();
  screen.say('\nEvery change has arrived. Comparing every row of every table …');
  const reports: VerifyReport[] = [];
  for (const sink of SINKS) {
    const report = await verifySink(world.verifySettings(sink), signal);
    reports.push(report);
    screen.say(describeSink(report));
  }
  return reports;
}

/** What the parts have logged last says why they do not get on. */
function withLogs({ source, sinks }: DemoWorld): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof CommandFailure)) throw error;
    const logs = [source, ...sinks].map(({ title, lastLines }) => `The last lines of the log of ${title}:\n${lastLines()}`);
    throw new CommandFailure([error.message, ...logs].join('\n'), { cause: error });
  };
}

async function verifySink(settings: Readonly<Record<string, string>>, signal: AbortSignal): Promise<VerifyReport> {
  const { source, openTarget } = readVerifySettings(settings);
  const target = await openTarget();
  try {
    return await verify({ source, target, onTable: () => signal.throwIfAborted() });
  } finally {
    await target.close();
  }
}

function describeSink({ target, tables, rows, differences }: VerifyReport): string {
  const wrong = tables.filter((table: TableReport) => table.differences > 0);
  if (wrong.length === 0) return `  ✓ ${target}: all ${formatCount(rows)} rows of ${tables.length} tables are equal`;
  return [`  ✗ ${target}: ${formatCount(differences)} differences`, ...wrong.map((table) => describeTable(table).replaceAll(/^/gm, '    '))].join('\n');
}
