import { type SinkSettings, targetTableName } from '../../shared/config/sink-options.ts';
import { integer, oneOf, type Problem, type Settings, throwIfProblems } from '../../shared/config/options.ts';
import { Secret } from '../../shared/config/secret.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';

/** Settings of this sink beside those of every sink. */
export const CLICKHOUSE_OPTIONS = {
  SINK_REQUEST_TIMEOUT_MS: integer({ description: 'milliseconds after which a statement counts as unanswered', default: 60_000, min: 100 }),
  SINK_COMPRESSION: oneOf(['none', 'gzip', 'zstd'], { description: 'compression of what is sent; wins where the network is slow', default: 'none' }),
} as const;

export type ClickHouseSettings = SinkSettings & Settings<typeof CLICKHOUSE_OPTIONS>;

export interface ClickHouseConfig {
  /** Scheme, host and port; no user, no password. */
  readonly url: string;
  readonly database: string;
  readonly user: string;
  readonly password: Secret;
  readonly tablePattern: string;
  readonly deleteMode: 'hard' | 'soft';
  readonly schemaChanges: 'apply' | 'ignore' | 'stop';
  readonly requestTimeoutMs: number;
  readonly compression: 'none' | 'gzip' | 'zstd';
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '8123', 'https:': '8443' };
const URL_PARAMETERS = ['database', 'user', 'password'];

/** What the name of a target's own table ends with; the plain name is the view that users query. */
export const ROWS_SUFFIX = '_dbmazz_rows';

/** Joins `SINK_URL` with the single settings, which win. Throws `CONFIG_INVALID` naming every setting that is wrong. */
export function resolveConfig(settings: ClickHouseSettings): ClickHouseConfig {
  const problems: Problem[] = [...findProblems(settings)];
  const url = parseUrl(settings.SINK_URL, problems);
  throwIfProblems(problems);
  const given = partsOf(url);
  return Object.freeze({
    url: `${url.protocol}//${url.hostname}:${settings.SINK_PORT ?? portOf(url, settings.SINK_URL)}`,
    database: settings.SINK_DATABASE ?? given.database ?? 'default',
    user: settings.SINK_USER ?? given.user ?? 'default',
    password: settings.SINK_PASSWORD ?? new Secret(given.password ?? ''),
    tablePattern: settings.SINK_TABLE,
    deleteMode: settings.DELETE_MODE,
    schemaChanges: settings.SCHEMA_CHANGES,
    requestTimeoutMs: settings.SINK_REQUEST_TIMEOUT_MS,
    compression: settings.SINK_COMPRESSION,
  });
}

export interface TargetNames {
  readonly database: string;
  /** What users query. */
  readonly view: string;
  /** The table behind the view. */
  readonly rows: string;
}

export function targetNames(config: Pick<ClickHouseConfig, 'database' | 'tablePattern'>, table: TableRef): TargetNames {
  const view = targetTableName(config.tablePattern, table);
  return { database: config.database, view, rows: view + ROWS_SUFFIX };
}

function* findProblems({ SINK_SCHEMA, SINK_TABLE }: ClickHouseSettings): Iterable<Problem> {
  if (SINK_SCHEMA !== undefined) {
    yield { name: 'SINK_SCHEMA', message: 'is set, but ClickHouse has no schemas: name the database by SINK_DATABASE' };
  }
  if (SINK_TABLE.endsWith(ROWS_SUFFIX)) {
    yield { name: 'SINK_TABLE', message: `ends with ${ROWS_SUFFIX}, which is kept for the tables behind the views` };
  }
}

function parseUrl(given: Secret | undefined, problems: Problem[]): URL {
  const expected = 'expected http://user:password@host:8123/database, or https';
  const problem = (message: string) => problems.push({ name: 'SINK_URL', message });
  if (given === undefined) problem(`is missing: ${expected}`);
  else if (!URL.canParse(given.reveal())) problem(`is not a URL: ${expected}`);
  const url = new URL(given !== undefined && URL.canParse(given.reveal()) ? given.reveal() : 'http://localhost');
  if (DEFAULT_PORTS[url.protocol] === undefined) problem(`has the scheme ${url.protocol}//: ${expected}`);
  if (url.pathname.split('/').filter((part) => part !== '').length > 1) problem(`has a path of several parts: ${expected}`);
  for (const name of url.searchParams.keys()) {
    if (!URL_PARAMETERS.includes(name)) problem(`has the parameter ${name}, which is not known: ${URL_PARAMETERS.join(', ')} are`);
  }
  return url;
}

interface UrlParts {
  readonly database: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

function partsOf(url: URL): UrlParts {
  const path = decodeURIComponent(url.pathname).replaceAll('/', '');
  const parameter = (name: string) => url.searchParams.get(name) ?? undefined;
  return {
    database: path === '' ? parameter('database') : path,
    user: url.username === '' ? parameter('user') : decodeURIComponent(url.username),
    password: url.password === '' ? parameter('password') : decodeURIComponent(url.password),
  };
}

/** `URL` leaves out the ports 80 and 443 of the web, which are not ClickHouse's own. */
function portOf({ protocol, port }: URL, given: Secret | undefined): string {
  const written = /^\w+:\/\/(?:[^/?#]*@)?(?:\[[^\]]*\]|[^/?#:]*):(\d+)/.exec(given?.reveal() ?? '')?.[1];
  return port === '' ? (written ?? DEFAULT_PORTS[protocol] ?? '8123') : port;
}
