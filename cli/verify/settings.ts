import { findUnknown, type Environment, type Options, type Problem, readOptions, type Settings, throwIfProblems } from '../../shared/config/options.ts';
import { COMMON_OPTIONS } from '../../shared/config/common-options.ts';
import { settingNames } from '../../shared/config/secret-file.ts';
import { SINK_OPTIONS, type SinkSettings } from '../../shared/config/sink-options.ts';
import { SOURCE_OPTIONS } from '../../shared/config/source-options.ts';
import { CLICKHOUSE_OPTIONS, type ClickHouseSettings, resolveConfig as resolveClickHouse } from '../../sinks/clickhouse/config.ts';
import { POSTGRES_SINK_OPTIONS, type PostgresSinkSettings, resolveConfig as resolvePostgres } from '../../sinks/postgres/config.ts';
import { POSTGRES_OPTIONS, type PostgresSourceConfig, toConfig } from '../../sources/postgres/config.ts';
import { openClickHouseTarget } from './clickhouse-target.ts';
import { openPostgresTarget } from './postgres-target.ts';
import type { VerifyTarget } from './verify-target.ts';

export interface VerifySettings {
  readonly source: PostgresSourceConfig;
  readonly openTarget: () => Promise<VerifyTarget>;
}

/** Names that a source and a sink must have, and that make no difference to what they hold. */
const UNNEEDED = { SOURCE_NAME: 'verify', SINK_NAME: 'verify', SINK_TOPICS: '*' };

interface TargetKind {
  readonly options: Options;
  readonly open: (settings: SinkSettings) => Promise<VerifyTarget>;
}

const CLICKHOUSE: TargetKind = {
  options: CLICKHOUSE_OPTIONS,
  open: async (settings) => openClickHouseTarget(resolveClickHouse(settings as ClickHouseSettings)),
};
const POSTGRES: TargetKind = {
  options: POSTGRES_SINK_OPTIONS,
  open: async (settings) => openPostgresTarget(resolvePostgres(settings as PostgresSinkSettings)),
};
const TARGETS: Readonly<Record<string, TargetKind>> = { clickhouse: CLICKHOUSE, postgres: POSTGRES, postgresql: POSTGRES };
const SOURCES = ['postgres', 'postgresql'];

/** What `verify` needs of the settings of a source and of a sink; the rest may be there and is left alone. */
export function readVerifySettings(environment: Environment): VerifySettings {
  const given = { ...UNNEEDED, ...withoutEmpty(environment) };
  const problems: Problem[] = [];
  requireOneOf('SOURCE_TYPE', environment['SOURCE_TYPE'] ?? 'postgres', SOURCES, problems);
  const kind = TARGETS[requireOneOf('SINK_TYPE', environment['SINK_TYPE'], Object.keys(TARGETS), problems)] ?? POSTGRES;
  const source = readOptions({ ...SOURCE_OPTIONS, ...POSTGRES_OPTIONS }, given);
  const sink = readOptions({ ...SINK_OPTIONS, ...kind.options }, given);
  const known = [COMMON_OPTIONS, SOURCE_OPTIONS, POSTGRES_OPTIONS, SINK_OPTIONS, CLICKHOUSE_OPTIONS, POSTGRES_SINK_OPTIONS].flatMap((options) =>
    settingNames(options),
  );
  throwIfProblems([...problems, ...source.problems, ...sink.problems, ...findUnknown(environment, ['SOURCE_TYPE', 'SINK_TYPE', ...known])]);
  return { source: toConfig(source.settings), openTarget: async () => kind.open(sink.settings as Settings<typeof SINK_OPTIONS>) };
}

function requireOneOf(name: string, value: string | undefined, known: readonly string[], problems: Problem[]): string {
  const type = value?.toLowerCase() ?? '';
  if (!known.includes(type))
    problems.push({ name, message: `${type === '' ? 'is missing' : `is ${JSON.stringify(value)}`}: verify knows ${known.join(', ')}` });
  return type;
}

function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
}
