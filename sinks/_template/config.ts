import { type SinkSettings, targetTableName } from '../../shared/config/sink-options.ts';
import { integer, type Problem, type Settings, throwIfProblems } from '../../shared/config/options.ts';
import type { Secret } from '../../shared/config/secret.ts';
import type { TableRef } from '../../shared/record/table-schema.ts';

/**
 * What belongs into `config.ts`: the settings that only this sink has, and the way from settings to a frozen config.
 * From this table come the parsing, the messages, `--help` and the table in the README. Give every unit a name: `_MS`,
 * `_BYTES`, `_DAYS`.
 */
export const TEMPLATE_OPTIONS = {
  SINK_MAX_ROWS: integer({ description: 'rows that a target table may have', default: 1_000_000, min: 1 }),
} as const;

type TemplateSettings = SinkSettings & Settings<typeof TEMPLATE_OPTIONS>;

/** All that the other files know of the settings. A password stays a `Secret` up to the call of the driver. */
export interface TemplateConfig {
  readonly database: string;
  readonly tablePattern: string;
  readonly deleteMode: 'hard' | 'soft';
  readonly schemaChanges: 'apply' | 'ignore' | 'stop';
  readonly maxRows: number;
}

/** Settings of every sink that mean nothing here: setting one is a mistake, and is said rather than passed over. */
const WITHOUT_MEANING = ['SINK_PORT', 'SINK_SCHEMA', 'SINK_USER', 'SINK_PASSWORD'] as const;

/**
 * Joins `SINK_URL` with the single settings, which win where both speak. Throws `CONFIG_INVALID` that names every
 * setting that is wrong, and never prints the URL, for it may hold a password.
 */
export function resolveConfig(settings: TemplateSettings): TemplateConfig {
  const problems: Problem[] = WITHOUT_MEANING.filter((name) => settings[name] !== undefined).map((name) => ({
    name,
    message: 'is set, and this target has no such thing',
  }));
  const database = settings.SINK_DATABASE ?? databaseIn(settings.SINK_URL, problems);
  if (database === '') problems.push({ name: 'SINK_DATABASE', message: 'is missing, and SINK_URL names no database either' });
  throwIfProblems(problems);
  return Object.freeze({
    database,
    tablePattern: settings.SINK_TABLE,
    deleteMode: settings.DELETE_MODE,
    schemaChanges: settings.SCHEMA_CHANGES,
    maxRows: settings.SINK_MAX_ROWS,
  });
}

export function targetNameOf({ tablePattern }: TemplateConfig, table: TableRef): string {
  return targetTableName(tablePattern, table);
}

function databaseIn(given: Secret | undefined, problems: Problem[]): string {
  const url = URL.parse(given?.reveal() ?? 'memory:///');
  if (url?.protocol === 'memory:') return url.pathname.slice(1);
  problems.push({ name: 'SINK_URL', message: 'is not an address such as memory:///database' });
  return 'unknown';
}
