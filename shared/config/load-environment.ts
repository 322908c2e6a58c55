import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { CdcError } from '../errors/cdc-error.ts';
import type { Environment } from './options.ts';
import { withoutOverruled } from './secret-file.ts';

/**
 * The environment, over the settings of a YAML file where `--config` names one. The file has the same keys in lower
 * case, under `source:` or `sink:`; what the environment says wins, where it is not empty.
 */
export function loadEnvironment(section: 'source' | 'sink', argv: readonly string[], environment: Environment): Environment {
  const path = configPath(argv);
  if (path === undefined) return environment;
  const given = Object.entries(environment).filter(([, value]) => value !== undefined && value !== '');
  return { ...withoutOverruled(readSection(path, section), environment), ...Object.fromEntries(given) };
}

function configPath(argv: readonly string[]): string | undefined {
  const [first, second, ...rest] = argv;
  if (first === undefined) return undefined;
  if (first === '--config' && second !== undefined && rest.length === 0) return second;
  if (first.startsWith('--config=') && second === undefined) return first.slice('--config='.length);
  throw new CdcError(
    'CONFIG_INVALID',
    `${JSON.stringify(argv.join(' '))} is not understood: settings come from the environment, or from --config <file.yaml>.`,
  );
}

function readSection(path: string, section: string): Environment {
  const settings = readConfigDocument(path)[section];
  if (!isMapping(settings)) throw new CdcError('CONFIG_INVALID', `${path} has no settings under "${section}:".`);
  return toSettings(settings, path);
}

/** Keys of a file as settings, each value as the text that it is there; lists with commas. `place` is for messages. */
export function toSettings(mapping: unknown, place: string): Environment {
  if (!isMapping(mapping)) throw new CdcError('CONFIG_INVALID', `${place} has no settings.`);
  return Object.fromEntries(Object.entries(mapping).map(([key, value]) => [key.toUpperCase(), toText(value, `${key} in ${place}`)]));
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The file that `--config` names. */
export function readConfigDocument(path: string): Record<string, unknown> {
  // Loaded where there is such a file: most processes have their settings from the environment alone.
  const { parse } = createRequire(import.meta.url)('yaml') as typeof Yaml;
  try {
    // Failsafe: every value is the text that it is in the file, so a password of digits keeps its zeros. Errors come
    // without the lines around a mistake, which may hold a password.
    const document = parse(readFileSync(path, 'utf8'), { schema: 'failsafe', prettyErrors: false }) as unknown;
    if (typeof document === 'object' && document !== null) return document as Record<string, unknown>;
  } catch (error) {
    throw new CdcError('CONFIG_INVALID', `${path}, given by --config, cannot be read as YAML.`, { cause: error });
  }
  throw new CdcError('CONFIG_INVALID', `${path}, given by --config, has no settings.`);
}

function toText(value: unknown, place: string): string {
  if (value === null) return '';
  if (Array.isArray(value)) return value.map((item: unknown) => toText(item, place)).join(',');
  if (typeof value === 'object') throw new CdcError('CONFIG_INVALID', `${place} has settings within it: a value or a list was expected.`);
  return String(value);
}
