import { parseKeyColumns, parseMask, parseRowFilters } from '../../shared/config/column-rules.ts';
import { checked, flag, oneOf, optionalText, type Settings, throwIfProblems } from '../../shared/config/options.ts';
import { SELECTION_OPTIONS, SOURCE_OPTIONS, type SourceSettings } from '../../shared/config/source-options.ts';
import { ServerTls } from '../../shared/tls/server-tls.ts';
import { type Mask, maskOf } from './masks.ts';

/** PostgreSQL's limit of a name, in bytes. */
const MAX_NAME = 63;
const TABLE_PATTERN = /^[^.]+\.[^.]+$/;
const COLUMN_PATH = /^[^.]+\.[^.]+\.[^.]+$/;
const SLOT_NAME = /^[a-z0-9_]{1,63}$/;

/** Our own settings, and the common ones of which PostgreSQL has a notion of what is right. */
export const POSTGRES_OPTIONS = {
  SOURCE_URL: checked(
    SOURCE_OPTIONS.SOURCE_URL,
    (url) => isPostgresUrl(url.reveal()),
    'expected postgres://user:password@host:port/database, special characters percent-encoded',
  ),
  TABLES: checked(
    SOURCE_OPTIONS.TABLES,
    (tables) => tables.every((pattern) => TABLE_PATTERN.test(pattern)),
    'expected schema.table, for instance public.orders or public.*',
  ),
  EXCLUDE_COLUMNS: checked(SOURCE_OPTIONS.EXCLUDE_COLUMNS, (paths) => paths.every((path) => COLUMN_PATH.test(path)), 'expected schema.table.column'),
  ...SELECTION_OPTIONS,
  SOURCE_SLOT_NAME: checked(
    optionalText({ description: 'replication slot; dbmazz_<name> if not set' }),
    (slot) => slot === undefined || SLOT_NAME.test(slot),
    `expected 1 to ${MAX_NAME} lower-case letters, digits or _`,
  ),
  SOURCE_PUBLICATION_NAME: checked(
    optionalText({ description: 'publication; dbmazz_<name> if not set' }),
    (publication) => publication === undefined || Buffer.byteLength(publication) <= MAX_NAME,
    `expected at most ${MAX_NAME} bytes`,
  ),
  SOURCE_SLOT_FAILOVER: flag({ description: 'make the slot one that standbys take over, on PostgreSQL 17 and later', default: true }),
  ON_SLOT_LOST: oneOf(['stop', 'snapshot', 'accept'], {
    description:
      'when the slot is lost, gone or elsewhere: stop with exit code 4, make a new one and read every table anew, behind a truncate, or go on with one that is elsewhere',
    default: 'stop',
  }),
  ON_STOPPED_TABLE: oneOf(['keep', 'snapshot'], {
    description: 'at a start, a table that has stopped: keep it so, or read it anew, behind a truncate',
    default: 'keep',
  }),
} as const;

export type PostgresSourceSettings = SourceSettings & Settings<typeof POSTGRES_OPTIONS>;

export interface PostgresSourceConfig {
  readonly name: string;
  /** Has the password: not for logs. Without what `tls` holds. */
  readonly connectionString: string;
  readonly tls: ServerTls;
  /** Settings of the session that SOURCE_URL asks for (`?options=-c …`); ours come behind them. */
  readonly serverOptions: readonly string[];
  readonly tablePatterns: readonly string[];
  /** Tables, by `schema.table`, that are not taken for now. */
  readonly leftOut: ReadonlySet<string>;
  readonly excluded: ReadonlySet<string>;
  /** By `schema.table.column`. */
  readonly masks: ReadonlyMap<string, Mask>;
  /** Conditions by `schema.table`. */
  readonly filters: ReadonlyMap<string, string>;
  /** Columns that make the key, by `schema.table`, where not the table itself decides. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  readonly slot: string;
  readonly publication: string;
  readonly settings: PostgresSourceSettings;
}

/** Throws `CONFIG_INVALID` where parameters of the URL are not right, or name files that are not. */
export function toConfig(settings: PostgresSourceSettings): PostgresSourceConfig {
  assertCanBeginAnew(settings);
  const fallback = `dbmazz_${settings.SOURCE_NAME.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')}`.slice(0, MAX_NAME);
  return {
    name: settings.SOURCE_NAME,
    ...splitUrl(settings.SOURCE_URL.reveal()),
    tablePatterns: settings.TABLES,
    leftOut: new Set(),
    excluded: new Set(settings.EXCLUDE_COLUMNS),
    masks: masksOf(settings),
    filters: parseRowFilters(settings.ROW_FILTER ?? '') ?? new Map(),
    keys: parseKeyColumns(settings.MESSAGE_KEY_COLUMNS ?? '') ?? new Map(),
    slot: settings.SOURCE_SLOT_NAME ?? fallback,
    publication: settings.SOURCE_PUBLICATION_NAME ?? fallback,
    settings,
  };
}

function assertCanBeginAnew({ ON_SLOT_LOST, SNAPSHOT_MODE }: PostgresSourceSettings): void {
  if (ON_SLOT_LOST !== 'snapshot' || SNAPSHOT_MODE !== 'never') return;
  throwIfProblems([{ name: 'ON_SLOT_LOST', message: 'is "snapshot", but SNAPSHOT_MODE is "never": expected stop, or another SNAPSHOT_MODE' }]);
}

function masksOf({ MASK_COLUMNS, MASK_SECRET }: PostgresSourceSettings): ReadonlyMap<string, Mask> {
  const masks = MASK_COLUMNS.map((item) => parseMask(item)).filter((mask) => mask !== undefined);
  return new Map(masks.map(({ path, kind }) => [path, maskOf(kind, MASK_SECRET?.reveal())]));
}

function isPostgresUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password, pathname } = new URL(text);
  return /^postgres(ql)?:\/\//i.test(text) && [username, password, pathname].every(isEncoded);
}

function isEncoded(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

/**
 * The parameters of TLS are ours alone; and the driver takes `options` either from the URL or from beside it, and we
 * have some of our own.
 */
function splitUrl(text: string): Pick<PostgresSourceConfig, 'connectionString' | 'serverOptions' | 'tls'> {
  const url = new URL(text);
  const { tls, problems } = ServerTls.take(url, 'SOURCE_URL');
  throwIfProblems(problems.map((message) => ({ name: 'SOURCE_URL', message })));
  const serverOptions = url.searchParams.getAll('options');
  url.searchParams.delete('options');
  return { connectionString: url.search === new URL(text).search ? text : url.href, serverOptions, tls };
}

/** `public.*`, `*.orders`, `public.order_*`: `*` stands for any characters. */
export function matchesPattern(pattern: string, table: { readonly schema: string; readonly name: string }): boolean {
  const [schema = '', name = ''] = pattern.split('.').map(toExpression);
  return new RegExp(`^${schema}$`, 's').test(table.schema) && new RegExp(`^${name}$`, 's').test(table.name);
}

function toExpression(part: string): string {
  return part
    .split('*')
    .map((text) => text.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
}
