import { checked, type Settings, text } from '../../shared/config/options.ts';
import { SOURCE_OPTIONS, type SourceSettings } from '../../shared/config/source-options.ts';

const TABLE = /^[^.]+\.[^.]+$/;

/**
 * What belongs into `config.ts`: the settings that only this source has, the common ones of which it has a notion of
 * what is right, and the way from settings to a config. From this table come the parsing, the messages, `--help` and the
 * table in the README.
 */
export const TEMPLATE_OPTIONS = {
  SOURCE_URL: checked(SOURCE_OPTIONS.SOURCE_URL, (url) => URL.parse(url.reveal())?.protocol === 'memory:', 'expected memory:///database'),
  TABLES: checked(SOURCE_OPTIONS.TABLES, (tables) => tables.every((table) => TABLE.test(table)), 'expected schema.table'),
  SOURCE_SLOT_NAME: text({ description: 'what keeps the log for this source', default: 'dbmazz' }),
} as const;

export type TemplateSettings = SourceSettings & Settings<typeof TEMPLATE_OPTIONS>;

/** All that the other files know of the settings. */
export interface TemplateConfig {
  readonly database: string;
  readonly tables: readonly string[];
  readonly slot: string;
  readonly hasSnapshot: boolean;
  readonly chunkSize: number;
}

export function toConfig(settings: TemplateSettings): TemplateConfig {
  return {
    database: new URL(settings.SOURCE_URL.reveal()).pathname.slice(1),
    tables: settings.TABLES,
    slot: settings.SOURCE_SLOT_NAME,
    hasSnapshot: settings.SNAPSHOT_MODE !== 'never',
    chunkSize: settings.SNAPSHOT_CHUNK_SIZE,
  };
}
