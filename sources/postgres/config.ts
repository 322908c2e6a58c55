import { checked, optionalText, type Settings } from '../../shared/config/options.ts';
import { SOURCE_OPTIONS, type SourceSettings } from '../../shared/config/source-options.ts';

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
} as const;

export type PostgresSourceSettings = SourceSettings & Settings<typeof POSTGRES_OPTIONS>;

export interface PostgresSourceConfig {
  readonly name: string;
  /** Has the password: not for logs. */
  readonly connectionString: string;
  /** Settings of the session that SOURCE_URL asks for (`?options=-c …`); ours come behind them. */
  readonly serverOptions: readonly string[];
  readonly tablePatterns: readonly string[];
  readonly excluded: ReadonlySet<string>;
  readonly slot: string;
  readonly publication: string;
  readonly settings: PostgresSourceSettings;
}

export function toConfig(settings: PostgresSourceSettings): PostgresSourceConfig {
  const fallback = `dbmazz_${settings.SOURCE_NAME.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')}`.slice(0, MAX_NAME);
  return {
    name: settings.SOURCE_NAME,
    ...splitOptions(settings.SOURCE_URL.reveal()),
    tablePatterns: settings.TABLES,
    excluded: new Set(settings.EXCLUDE_COLUMNS),
    slot: settings.SOURCE_SLOT_NAME ?? fallback,
    publication: settings.SOURCE_PUBLICATION_NAME ?? fallback,
    settings,
  };
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

/** The driver takes `options` either from the URL or from beside it, and we have some of our own. */
function splitOptions(text: string): Pick<PostgresSourceConfig, 'connectionString' | 'serverOptions'> {
  const url = new URL(text);
  const serverOptions = url.searchParams.getAll('options');
  if (serverOptions.length === 0) return { connectionString: text, serverOptions };
  url.searchParams.delete('options');
  return { connectionString: url.href, serverOptions };
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
