import type { SourceConnector } from '../shared/connector/connector.ts';
import { CdcError } from '../shared/errors/cdc-error.ts';
import { postgresSource } from './postgres/mod.ts';

/** Every source, by the names that SOURCE_TYPE takes. */
const SOURCES: Readonly<Record<string, SourceConnector>> = {
  postgres: postgresSource,
  postgresql: postgresSource,
};

export function findSource(type: string | undefined): SourceConnector {
  const connector = SOURCES[type?.toLowerCase() ?? ''];
  if (connector !== undefined) return connector;
  const problem = type === undefined || type === '' ? 'SOURCE_TYPE is missing' : `SOURCE_TYPE is ${JSON.stringify(type)}`;
  throw new CdcError('CONFIG_INVALID', `${problem}: expected one of: ${Object.keys(SOURCES).join(', ')}.`);
}

/** Settings of all sources, to tell a mistyped name from one of another connector. */
export function allSourceOptionNames(): readonly string[] {
  return Object.values(SOURCES).flatMap(({ options }) => Object.keys(options));
}
