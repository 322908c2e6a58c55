import { CdcError } from '../../shared/errors/cdc-error.ts';
import { EXIT } from '../../shared/errors/codes.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { pause } from '../../shared/process/run-process.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { createSinkPipeline } from '../../sinks/main.ts';
import { Registry } from '../../topics/avro/registry.ts';
import { kafkaConfig } from '../../topics/kafka/connection.ts';
import { GroupAdmin, groupIsAlive } from '../../topics/kafka/group-admin.ts';
import type { PartitionOffset } from '../../topics/kafka/group-offsets.ts';
import { latestTableSchema } from '../../topics/latest-schema.ts';
import { parseStatus } from '../process-status.ts';
import { formatCount, print, progress } from '../terminal.ts';
import { describeTable } from '../verify/describe-report.ts';
import { compareTargets, type SideComparison } from './compare-targets.ts';
import { parseReplayFrom } from './replay-from.ts';
import { placesOf, topicsOf } from './replay-places.ts';
import { openTarget, planSideTables, type SidePlan, swapTables } from './side-tables.ts';

export interface ReplayIntoOptions {
  readonly into: string;
  readonly sink?: string;
  readonly from?: string;
  readonly tables?: string;
  readonly swap?: boolean;
  readonly acceptDifferences?: boolean;
}

const POLL_MS = 250;
const PROGRESS_MS = 5000;

/** Builds side tables until they have all that is in the topics, compares them with the live ones and, if asked, swaps; gives the exit code. */
export async function replayInto(options: ReplayIntoOptions): Promise<number> {
  const environment = { ...process.env, ...(options.sink === undefined ? {} : { SINK_NAME: options.sink }) };
  const { settings } = planSideTables(environment, options.into, []).live;
  const admin = new GroupAdmin(kafkaConfig(settings, 'dbmazz-cli', silentLogger()));
  try {
    await admin.connect();
    const topics = options.tables === undefined ? [] : await topicsOf(admin, groupOf(settings.SINK_NAME), options.tables);
    return await new SideBuild(planSideTables(environment, options.into, topics), options, admin).run();
  } finally {
    await admin.close();
  }
}

function groupOf(sink: string): string {
  return `dbmazz.${sink}`;
}

class SideBuild {
  readonly #plan: SidePlan;
  readonly #options: ReplayIntoOptions;
  readonly #admin: GroupAdmin;
  readonly #liveGroup: string;
  readonly #sideGroup: string;

  constructor(plan: SidePlan, options: ReplayIntoOptions, admin: GroupAdmin) {
    this.#plan = plan;
    this.#options = options;
    this.#admin = admin;
    this.#liveGroup = groupOf(plan.live.settings.SINK_NAME);
    this.#sideGroup = groupOf(plan.side.settings.SINK_NAME);
  }

  async run(): Promise<number> {
    const { swap, acceptDifferences, from } = this.#options;
    if (swap === true) await this.#refuseAlive();
    if (from !== undefined) await this.#begin(from);
    await this.#build();
    const { built, differences } = await this.#compare(await this.#tables());
    if (swap !== true) {
      print(
        `\nBuilt ${built.length} side tables, ${formatCount(differences)} differences. To put them in place: stop the sink, then the same command with --swap instead of --from.`,
      );
      return EXIT.stopped;
    }
    if (differences > 0 && acceptDifferences !== true) {
      print('\nNot swapped. Where the differences are what the replay was for, say so with --accept-differences.');
      return EXIT.failed;
    }
    await this.#swap(built);
    return EXIT.stopped;
  }

  async #refuseAlive(): Promise<void> {
    if ((await this.#admin.members(this.#liveGroup)) > 0) throw groupIsAlive(this.#liveGroup);
  }

  async #begin(from: string): Promise<void> {
    const start = parseReplayFrom(from);
    const own = await this.#admin.committed(this.#sideGroup);
    const known = own.length > 0 ? own : start.kind === 'beginning' ? [] : await this.#admin.committed(this.#liveGroup);
    if (known.length > 0) await this.#admin.setOffsets(this.#sideGroup, await placesOf(this.#admin, known, start));
  }

  /** A sink of its own, in this process, until nothing is left to read. */
  async #build(): Promise<void> {
    const stop = new AbortController();
    const pipeline = createSinkPipeline(this.#plan.side, { withProcessMetrics: false });
    const running = pipeline.run(stop.signal);
    try {
      await Promise.race([running.then(() => Promise.reject(ended())), this.#untilAtEnd(pipeline.view.status, stop.signal)]);
    } finally {
      stop.abort();
      await running.catch(() => undefined);
    }
  }

  async #untilAtEnd(status: () => unknown, signal: AbortSignal): Promise<void> {
    for (let saidAt = 0; !signal.aborted; await pause(POLL_MS, signal)) {
      const { records, lagRecords = 0, tables } = parseStatus(JSON.parse(JSON.stringify(status())));
      const stopped = tables.find(({ state }) => state === 'stopped');
      if (stopped !== undefined) throw new CdcError('TARGET_REFUSED', `The side table of ${stopped.topic} has stopped: ${stopped.error ?? 'see the log'}.`);
      if (tables.length > 0 && lagRecords === 0) return;
      if (Date.now() - saidAt < PROGRESS_MS) continue;
      saidAt = Date.now();
      progress(`${formatCount(records)} records written, ${formatCount(lagRecords)} to go`);
    }
  }

  /** Of every topic that the side tables were built from. */
  async #tables(): Promise<readonly TableSchema[]> {
    const registry = new Registry(this.#plan.side.settings);
    const topics = new Set((await this.#admin.committed(this.#sideGroup)).map(({ topic }) => topic));
    const found = await Promise.all([...topics].toSorted().map(async (topic) => latestTableSchema(registry, topic)));
    return found.filter((table) => table !== undefined);
  }

  async #compare(tables: readonly TableSchema[]): Promise<SideComparison> {
    const [live, side] = [await openTarget(this.#plan.live), await openTarget(this.#plan.side)];
    try {
      return await compareTargets({ live, side }, tables, (report) => print(describeTable(report)));
    } finally {
      await Promise.all([live.close(), side.close()]);
    }
  }

  async #swap(tables: readonly TableSchema[]): Promise<void> {
    await this.#refuseAlive();
    // First, and to where both are at least: whatever ends this in between, nothing is left out.
    await this.#admin.setOffsets(this.#liveGroup, lower(await this.#admin.committed(this.#sideGroup), await this.#admin.committed(this.#liveGroup)));
    await swapTables(this.#plan, tables);
    await this.#admin.forget(this.#sideGroup);
    print(`\nSwapped ${tables.length} tables; the former ones are kept as <table>_before. The sink can be started again.`);
  }
}

function ended(): CdcError {
  return new CdcError('KAFKA_UNAVAILABLE', 'Building the side tables ended before they were complete.');
}

function lower(side: readonly PartitionOffset[], live: readonly PartitionOffset[]): readonly PartitionOffset[] {
  const liveAt = new Map(live.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]));
  return side.map((each) => {
    const other = liveAt.get(`${each.topic}/${each.partition}`);
    return other !== undefined && other < each.offset ? { ...each, offset: other } : each;
  });
}
