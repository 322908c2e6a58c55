import type { Problem } from '../shared/config/options.ts';
import { settingNames } from '../shared/config/secret-file.ts';
import type { SourceConnector } from '../shared/connector/connector.ts';
import { postgresSource } from './postgres/mod.ts';

/** Every source, by the names that SOURCE_TYPE takes. */
const SOURCES: Readonly<Record<string, SourceConnector>> = {
  postgres: postgresSource,
  postgresql: postgresSource,
};

export function findSource(type: string | undefined): SourceConnector | undefined {
  return Object.hasOwn(SOURCES, type?.toLowerCase() ?? '') ? SOURCES[type?.toLowerCase() ?? ''] : undefined;
}

/** What to say where `findSource` finds none. */
export function sourceTypeProblem(type: string | undefined): Problem {
  const found = type === undefined || type === '' ? 'is missing' : `is ${JSON.stringify(type)}`;
  return { name: 'SOURCE_TYPE', message: `${found}: expected one of: ${Object.keys(SOURCES).join(', ')}` };
}

/** Settings of all sources, to tell a mistyped name from one of another connector. */
export function allSourceOptionNames(): readonly string[] {
  return Object.values(SOURCES).flatMap(({ options }) => settingNames(options));
}
