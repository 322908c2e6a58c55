import { optionalText, type Settings } from '../../shared/config/options.ts';
import type { SourceSettings } from '../../shared/config/source-options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';

export const POSTGRES_OPTIONS = {
  SOURCE_SLOT_NAME: optionalText({ description: 'replication slot; dbmazz_<name> if not set' }),
  SOURCE_PUBLICATION_NAME: optionalText({ description: 'publication; dbmazz_<name> if not set' }),
} as const;

export type PostgresSourceSettings = SourceSettings & Settings<typeof POSTGRES_OPTIONS>;

export interface PostgresSourceConfig {
  readonly name: string;
  /** Has the password: not for logs. */
  readonly connectionString: string;
  readonly tablePatterns: readonly string[];
  readonly excluded: ReadonlySet<string>;
  readonly slot: string;
  readonly publication: string;
  readonly settings: PostgresSourceSettings;
}

/** PostgreSQL's limit of a name, in bytes. */
const MAX_NAME = 63;

export function toConfig(settings: PostgresSourceSettings): PostgresSourceConfig {
  const fallback = `dbmazz_${settings.SOURCE_NAME.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')}`.slice(0, MAX_NAME);
  const slot = settings.SOURCE_SLOT_NAME ?? fallback;
  if (!/^[a-z0-9_]{1,63}$/.test(slot)) {
    throw new CdcError('CONFIG_INVALID', `SOURCE_SLOT_NAME is ${JSON.stringify(slot)}: expected 1 to 63 lower-case letters, digits or _.`);
  }
  return {
    name: settings.SOURCE_NAME,
    connectionString: checkUrl(settings.SOURCE_URL.reveal()),
    tablePatterns: settings.TABLES.map(checkPattern),
    excluded: new Set(settings.EXCLUDE_COLUMNS.map(checkColumn)),
    slot,
    publication: settings.SOURCE_PUBLICATION_NAME ?? fallback,
    settings,
  };
}

function checkUrl(url: string): string {
  if (URL.canParse(url) && /^postgres(ql)?:$/.test(new URL(url).protocol)) return url;
  throw new CdcError('CONFIG_INVALID', 'SOURCE_URL is not a PostgreSQL URL: expected postgres://user:password@host:port/database (special characters percent-encoded).');
}

function checkPattern(pattern: string): string {
  if (/^[^.]+\.[^.]+$/.test(pattern)) return pattern;
  throw new CdcError('CONFIG_INVALID', `TABLES has ${JSON.stringify(pattern)}: expected schema.table, for instance public.orders or public.*.`);
}

function checkColumn(path: string): string {
  if (/^[^.]+\.[^.]+\.[^.]+$/.test(path)) return path;
  throw new CdcError('CONFIG_INVALID', `EXCLUDE_COLUMNS has ${JSON.stringify(path)}: expected schema.table.column.`);
}

/** `public.*`, `*.orders`, `public.order_*`: `*` stands for any characters. */
export function matchesPattern(pattern: string, table: { readonly schema: string; readonly name: string }): boolean {
  const expression = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^.]*');
  return new RegExp(`^${expression}$`).test(`${table.schema}.${table.name}`);
}
