import { setTimeout as delay } from 'node:timers/promises';
import { COMMON_OPTIONS, type CommonSettings } from '../../shared/config/common-options.ts';
import { type Problem, readOptions, throwIfProblems } from '../../shared/config/options.ts';
import { tableTopic } from '../../topics/names.ts';
import { type SignalRequest, writeSignal } from '../../topics/signals.ts';
import { untilAnswered } from '../ask/answer.ts';
import { withLogOverview } from '../look/log-settings.ts';
import { CommandFailure, formatCount, progress } from '../terminal.ts';
import { TableRepair } from './table-repair.ts';
import type { TableReport, VerifyReport } from './verify.ts';

const POLL_MS = 500;
/** A sink that runs has come further within this time. */
const PATIENCE_MS = 60_000;

export interface RepairSettings {
  readonly log: CommonSettings;
  readonly source: string;
  readonly sink: string;
}

/** Whom to ask, and for whom to wait; every problem at once. */
export function readRepairSettings(environment: Readonly<Record<string, string | undefined>>): RepairSettings {
  const { settings, problems } = readOptions(COMMON_OPTIONS, environment);
  const [source = '', sink = ''] = [environment['SOURCE_NAME'], environment['SINK_NAME']];
  const missing: Problem[] = Object.entries({ SOURCE_NAME: source, SINK_NAME: sink })
    .filter(([, value]) => value === '')
    .map(([name]) => ({ name, message: 'is missing: --repair asks the source of that name, and waits for the sink' }));
  throwIfProblems([...problems, ...missing]);
  return { log: settings, source, sink };
}

/** What differs, by table, while `verify` compares. */
export type Repairs = ReadonlyMap<string, TableRepair>;

/**
 * Has the source publish anew what differs, and waits until the sink has written it. Gives the tables that were asked
 * for. The target is written by its sink alone, by versions as ever: so a change that comes meanwhile is not undone, and what was
 * repaired stays so in a replay.
 */
export async function repair(report: VerifyReport, repairs: Repairs, settings: RepairSettings): Promise<ReadonlySet<string>> {
  const asked = new Set<string>();
  for (const table of report.tables) {
    const requests = requestsFor(table, repairs.get(table.table));
    if (requests === undefined) progress(`${table.table} has no key: it cannot be repaired row by row. dbmazz replay --into builds it anew.`);
    for (const request of requests ?? []) {
      await ask(settings, request);
      asked.add(table.table);
    }
  }
  if (asked.size > 0) await untilWritten(settings, [...asked]);
  return asked;
}

/** Undefined where there is none. */
function requestsFor({ table, differences, problem }: TableReport, found: TableRepair | undefined): readonly SignalRequest[] | undefined {
  if (differences === 0) return [];
  if (found === undefined || found.table.key.length === 0) return undefined;
  return problem === undefined ? found.requests() : [TableRepair.whole(table)];
}

async function ask({ log, source }: RepairSettings, request: SignalRequest): Promise<void> {
  const [table = ''] = request.tables;
  const id = await writeSignal(log, source, request);
  const answer = await untilAnswered(log, { source, id, isPatient: true });
  if (answer === undefined)
    throw new CommandFailure(`No process of source ${source} has taken the request: it has to run for a repair. The one that runs next will take it.`);
  if (answer.state !== 'done') throw new CommandFailure(`${source} did not read ${table} again: ${answer.reason ?? answer.state}.`);
  progress(`${table}: ${formatCount(answer.rows)} rows ${request.keys === undefined ? 'published anew' : 'told as deleted'}.`);
}

async function untilWritten({ log, source, sink }: RepairSettings, tables: readonly string[]): Promise<void> {
  const topics = tables.map((name) => tableTopic(source, { schema: name.slice(0, name.indexOf('.')), name: name.slice(name.indexOf('.') + 1) }));
  await withLogOverview(log, async (overview) => {
    let [least, since] = [Infinity, performance.now()];
    for (;;) {
      const lags = await overview.lagOf(`dbmazz.${sink}`, topics);
      const lag = lags.reduce((sum, each) => sum + each.lag, 0);
      if (lag === 0) return;
      if (lag < least) [least, since] = [lag, performance.now()];
      if (performance.now() - since > PATIENCE_MS)
        throw new CommandFailure(
          `Sink ${sink} does not come further with what was published for it: is it running? dbmazz status --sink ${sink} tells what it still has to read.`,
        );
      await delay(POLL_MS);
    }
  });
}
