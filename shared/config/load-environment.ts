import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { CdcError } from '../errors/cdc-error.ts';
import type { Environment } from './options.ts';

/**
 * The environment, over the settings of a YAML file where `--config` names one. The file has the same keys in lower
 * case, under `source:` or `sink:`; what the environment says wins.
 */
export function loadEnvironment(section: 'source' | 'sink', argv: readonly string[], environment: Environment): Environment {
  const path = configPath(argv);
  if (path === undefined) return environment;
  return { ...readSection(path, section), ...environment };
}

function configPath(argv: readonly string[]): string | undefined {
  const [first, second, ...rest] = argv;
  if (first === undefined) return undefined;
  if (first === '--config' && second !== undefined && rest.length === 0) return second;
  if (first.startsWith('--config=') && second === undefined) return first.slice('--config='.length);
  throw new CdcError('CONFIG_INVALID', `${JSON.stringify(argv.join(' '))} is not understood: settings come from the environment, or from --config <file.yaml>.`);
}

function readSection(path: string, section: string): Environment {
  const document = readDocument(path);
  const settings = document[section];
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw new CdcError('CONFIG_INVALID', `${path} has no settings under "${section}:".`);
  }
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key.toUpperCase(), toText(value)]));
}

function readDocument(path: string): Record<string, unknown> {
  try {
    const document = parse(readFileSync(path, 'utf8')) as unknown;
    if (typeof document === 'object' && document !== null) return document as Record<string, unknown>;
  } catch (error) {
    throw new CdcError('CONFIG_INVALID', `${path}, given by --config, cannot be read as YAML.`, { cause: error });
  }
  throw new CdcError('CONFIG_INVALID', `${path}, given by --config, has no settings.`);
}

function toText(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}
