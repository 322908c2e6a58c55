import type { SinkSettings } from '../../shared/config/sink-options.ts';
import { integer, throwIfProblems, type Problem, type Settings } from '../../shared/config/options.ts';
import { Secret } from '../../shared/config/secret.ts';
import { ServerTls } from '../../shared/tls/server-tls.ts';
import { MAX_NAME_BYTES } from './identifiers.ts';

/** Settings of this sink beside those of every sink. */
export const POSTGRES_SINK_OPTIONS = {
  SINK_CONNECTIONS: integer({ description: 'connections to the target: so many tables are written at once', default: 4, min: 1, max: 64 }),
  SINK_STATEMENT_TIMEOUT_MS: integer({
    description: 'milliseconds after which a statement of a batch is given up and tried again, 0 for never',
    default: 300_000,
  }),
  SINK_TOMBSTONE_DAYS: integer({
    description: 'days for which deleted keys are remembered, so that older changes do not bring them back; 0 for ever',
    default: 30,
  }),
} as const;

export type PostgresSinkSettings = SinkSettings & Settings<typeof POSTGRES_SINK_OPTIONS>;

export interface PostgresSinkConfig {
  readonly name: string;
  readonly host: string;
  readonly database: string;
  readonly user: string;
  /** With the user and the password in it, and without what `tls` holds. */
  readonly url: Secret;
  readonly tls: ServerTls;
  readonly hasPassword: boolean;
  readonly schema: string;
  readonly tablePattern: string;
  readonly deleteMode: 'hard' | 'soft';
  readonly schemaChanges: 'apply' | 'ignore' | 'stop';
  readonly connections: number;
  readonly statementTimeoutMs: number;
  readonly tombstoneDays: number;
}

const DEFAULT_URL = 'postgres://localhost:5432/';

/** One address from `SINK_URL` and the single settings, which win. Throws `CONFIG_INVALID`, with all that is wrong. */
export function resolveConfig(settings: PostgresSinkSettings): PostgresSinkConfig {
  const problems: Problem[] = [];
  const url = parseUrl(settings.SINK_URL, problems);
  applySingleSettings(url, settings);
  checkUrl(url, problems);
  const { tls, problems: tlsProblems } = ServerTls.take(url, 'SINK_URL');
  problems.push(...tlsProblems.map((message) => ({ name: 'SINK_URL', message })));
  if (Buffer.byteLength(settings.SINK_SCHEMA ?? '') > MAX_NAME_BYTES) problems.push({ name: 'SINK_SCHEMA', message: `is longer than ${MAX_NAME_BYTES} bytes` });
  throwIfProblems(problems);
  return Object.freeze({
    name: settings.SINK_NAME,
    host: url.host,
    database: decoded(url.pathname.slice(1)),
    user: decoded(url.username),
    url: new Secret(url.href),
    tls,
    hasPassword: url.password !== '',
    schema: settings.SINK_SCHEMA ?? 'public',
    tablePattern: settings.SINK_TABLE,
    deleteMode: settings.DELETE_MODE,
    schemaChanges: settings.SCHEMA_CHANGES,
    connections: settings.SINK_CONNECTIONS,
    statementTimeoutMs: settings.SINK_STATEMENT_TIMEOUT_MS,
    tombstoneDays: settings.SINK_TOMBSTONE_DAYS,
  });
}

function parseUrl(given: Secret | undefined, problems: Problem[]): URL {
  const text = given?.reveal() ?? DEFAULT_URL;
  const url = URL.parse(text.includes('://') ? text : `postgres://${text}`);
  if (url !== null && ['postgres:', 'postgresql:'].includes(url.protocol) && url.hostname !== '') return url;
  problems.push({ name: 'SINK_URL', message: 'is not an address such as postgres://user:password@host:5432/database' });
  return new URL(DEFAULT_URL);
}

function applySingleSettings(url: URL, settings: PostgresSinkSettings): void {
  if (settings.SINK_PORT !== undefined) url.port = String(settings.SINK_PORT);
  if (settings.SINK_DATABASE !== undefined) url.pathname = `/${encodeURIComponent(settings.SINK_DATABASE)}`;
  if (settings.SINK_USER !== undefined) url.username = encodeURIComponent(settings.SINK_USER);
  if (settings.SINK_PASSWORD !== undefined) url.password = encodeURIComponent(settings.SINK_PASSWORD.reveal());
}

function checkUrl(url: URL, problems: Problem[]): void {
  if (problems.length > 0) return;
  if (url.pathname.length < 2) problems.push({ name: 'SINK_DATABASE', message: 'is missing, and SINK_URL names no database either' });
  if (url.username === '') problems.push({ name: 'SINK_USER', message: 'is missing, and SINK_URL names no user either' });
}

/** A lone % is no escape: it stands for itself. */
function decoded(text: string): string {
  return decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, '%25'));
}
