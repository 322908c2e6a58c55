import { settingNames } from '../shared/config/secret-file.ts';
import type { SinkConnector } from '../shared/connector/connector.ts';
import { CdcError } from '../shared/errors/cdc-error.ts';
import { clickhouseSink } from './clickhouse/mod.ts';
import { postgresSink } from './postgres/mod.ts';

/** Every sink, by the names that SINK_TYPE takes. */
const SINKS: Readonly<Record<string, SinkConnector>> = {
  clickhouse: clickhouseSink,
  postgres: postgresSink,
  postgresql: postgresSink,
};

export function findSink(type: string | undefined): SinkConnector {
  const connector = SINKS[type?.toLowerCase() ?? ''];
  if (connector !== undefined) return connector;
  const problem = type === undefined || type === '' ? 'SINK_TYPE is missing' : `SINK_TYPE is ${JSON.stringify(type)}`;
  throw new CdcError('CONFIG_INVALID', `${problem}: expected one of: ${Object.keys(SINKS).join(', ')}.`);
}

/** Settings of all sinks, to tell a mistyped name from one of another connector. */
export function allSinkOptionNames(): readonly string[] {
  return Object.values(SINKS).flatMap(({ options }) => settingNames(options));
}
