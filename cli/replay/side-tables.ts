import type { CommonSettings } from '../../shared/config/common-options.ts';
import type { Environment } from '../../shared/config/options.ts';
import type { SinkSettings } from '../../shared/config/sink-options.ts';
import { targetTableName } from '../../shared/config/sink-options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { type ClickHouseSettings, resolveConfig as resolveClickHouse, targetNames } from '../../sinks/clickhouse/config.ts';
import { swapTables as swapClickHouse } from '../../sinks/clickhouse/swap.ts';
import { readSinkConfig, type SinkProcessConfig } from '../../sinks/main.ts';
import { type PostgresSinkSettings, resolveConfig as resolvePostgres } from '../../sinks/postgres/config.ts';
import { swapTables as swapPostgres } from '../../sinks/postgres/swap.ts';
import { openClickHouseTarget } from '../verify/clickhouse-target.ts';
import { openPostgresTarget } from '../verify/postgres-target.ts';
import type { VerifyTarget } from '../verify/verify-target.ts';

/** A live sink, and the one that builds its side tables. */
export interface SidePlan {
  readonly live: SinkProcessConfig;
  readonly side: SinkProcessConfig;
  readonly suffix: string;
}

const SUFFIX = /^[a-z0-9_]{1,20}$/i;
const BEFORE = '_before';

/** The settings of the live sink, and of one with a name, a group and tables of its own. Throws `CONFIG_INVALID`. */
export function planSideTables(environment: Environment, suffix: string, topics: readonly string[]): SidePlan {
  if (!SUFFIX.test(suffix) || suffix === BEFORE)
    throw new CdcError('CONFIG_INVALID', `--into is ${JSON.stringify(suffix)}.`, {
      remedy: `Give letters, digits and _, up to 20, such as _new; not ${BEFORE}.`,
    });
  const live = readSinkConfig(environment);
  const { SINK_NAME, SINK_TABLE } = live.settings;
  const own = { SINK_NAME: SINK_NAME + suffix, SINK_TABLE: SINK_TABLE + suffix, HTTP_PORT: '0' };
  const side = readSinkConfig({ ...environment, ...own, ...(topics.length === 0 ? {} : { SINK_TOPICS: topics.join(',') }) });
  return { live, side, suffix };
}

type AnySettings = CommonSettings & SinkSettings;

interface TargetKind {
  readonly open: (settings: AnySettings) => Promise<VerifyTarget>;
  readonly swap: (plan: SidePlan, tables: readonly TableSchema[]) => Promise<void>;
}

const CLICKHOUSE: TargetKind = {
  open: async (settings) => openClickHouseTarget(resolveClickHouse(settings as AnySettings & ClickHouseSettings)),
  swap: async ({ live, side }, tables) => {
    const [from, to] = [side, live].map(({ settings }) => resolveClickHouse(settings as AnySettings & ClickHouseSettings));
    if (from === undefined || to === undefined) return;
    const swaps = tables.map((table) => ({ live: targetNames(to, table), side: targetNames(from, table), before: targetNames(to, table).view + BEFORE }));
    await swapClickHouse(to, swaps);
  },
};
const POSTGRES: TargetKind = {
  open: async (settings) => openPostgresTarget(resolvePostgres(settings as AnySettings & PostgresSinkSettings)),
  swap: async ({ live, side }, tables) => {
    const swaps = tables.map((table) => {
      const name = targetTableName(live.settings.SINK_TABLE, table);
      return { live: name, side: targetTableName(side.settings.SINK_TABLE, table), before: name + BEFORE };
    });
    await swapPostgres(resolvePostgres(live.settings as AnySettings & PostgresSinkSettings), swaps, side.settings.SINK_NAME);
  },
};
const TARGETS: Readonly<Record<string, TargetKind>> = { clickhouse: CLICKHOUSE, postgres: POSTGRES, postgresql: POSTGRES };

/** Reads the tables that a sink has made, as `verify` does. */
export async function openTarget({ type, settings }: SinkProcessConfig): Promise<VerifyTarget> {
  return kindOf(type).open(settings);
}

/** The live tables are kept as `<table>_before`. */
export async function swapTables(plan: SidePlan, tables: readonly TableSchema[]): Promise<void> {
  await kindOf(plan.live.type).swap(plan, tables);
}

function kindOf(type: string): TargetKind {
  const kind = TARGETS[type.toLowerCase()];
  if (kind !== undefined) return kind;
  throw new CdcError('CONFIG_INVALID', `SINK_TYPE is ${JSON.stringify(type)}: side tables are built in ${Object.keys(TARGETS).join(', ')}.`);
}
