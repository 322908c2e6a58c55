import { COMMON_OPTIONS } from '../../shared/config/common-options.ts';
import { readConfigDocument, toSettings } from '../../shared/config/load-environment.ts';
import { type Environment, findUnknownNames, readOptions, type Settings, throwIfProblems } from '../../shared/config/options.ts';
import { settingNames, withoutOverruled } from '../../shared/config/secret-file.ts';
import { SINK_OPTIONS } from '../../shared/config/sink-options.ts';
import { SOURCE_OPTIONS } from '../../shared/config/source-options.ts';
import { CdcError, toCdcError } from '../../shared/errors/cdc-error.ts';
import { assertTokenWhereNeeded } from '../../shared/observe/http.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { allSinkOptionNames } from '../../sinks/create-sink.ts';
import { readSinkConfig, type SinkProcessConfig } from '../../sinks/main.ts';
import { allSourceOptionNames } from '../../sources/create-source.ts';
import { readSourceConfig, type SourceProcessConfig } from '../../sources/main.ts';

const { HTTP_HOST, HTTP_PORT, HTTP_TOKEN, LOG_LEVEL, LOG_FORMAT } = COMMON_OPTIONS;
const PROCESS_OPTIONS = { HTTP_HOST, HTTP_PORT, HTTP_TOKEN, LOG_LEVEL, LOG_FORMAT } as const;
const HTTP_NAMES = settingNames({ HTTP_HOST, HTTP_PORT, HTTP_TOKEN });
const COMMON_NAMES = settingNames(COMMON_OPTIONS);
const SOURCE_NAMES = ['SOURCE_TYPE', ...settingNames(SOURCE_OPTIONS), ...allSourceOptionNames()];
const SINK_NAMES = ['SINK_TYPE', ...settingNames(SINK_OPTIONS), ...allSinkOptionNames()];

export interface ManyConfig {
  /** Of the process as a whole. */
  readonly process: Settings<typeof PROCESS_OPTIONS>;
  readonly sources: readonly SourceProcessConfig[];
  readonly sinks: readonly SinkProcessConfig[];
}

/** One entry of a list in the file. */
interface Entry {
  /** As messages call it. */
  readonly title: string;
  readonly settings: Environment;
}

/**
 * Reads a file with lists of `sources:` and `sinks:`, and settings for all of them above. The environment gives what
 * both sides know (brokers, registry, HTTP, log), and wins. All faults of all entries are reported at once.
 */
export function readMany(path: string, environment: Environment): ManyConfig {
  const document = readConfigDocument(path);
  const faults: string[] = [];
  const look = <T>(title: string, read: () => T): T | undefined => attempt(faults, title, read);
  const { sources, sinks, ...top } = document;
  const given = pick(environment, COMMON_NAMES);
  const common = look(`settings for all in ${path}`, () => checkNames(toSettings(top, path), [...COMMON_NAMES, ...SOURCE_NAMES, ...SINK_NAMES])) ?? {};
  const settingsOf = (settings: Environment): Environment => merge(merge(common, settings), given);
  const own = look('settings of the process', () => readProcessSettings(merge(common, given)));
  const sourceConfigs = entriesOf('source', sources, path, faults).map(({ title, settings }) => look(title, () => readSource(settings, settingsOf(settings))));
  const sinkConfigs = entriesOf('sink', sinks, path, faults).map(({ title, settings }) => look(title, () => readSink(settings, settingsOf(settings))));
  const config = { sources: sourceConfigs.filter(isRead), sinks: sinkConfigs.filter(isRead) };
  faults.push(...repeated(config));
  if (sourceConfigs.length + sinkConfigs.length === 0 && faults.length === 0) faults.push('neither "sources:" nor "sinks:" lists anything');
  if (own === undefined || faults.length > 0) throw new CdcError('CONFIG_INVALID', `${path} is not right:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  return { process: own, ...config };
}

function readProcessSettings(environment: Environment): ManyConfig['process'] {
  const { settings, problems } = readOptions(PROCESS_OPTIONS, environment);
  throwIfProblems(problems);
  assertTokenWhereNeeded(settings);
  return settings;
}

function readSource(own: Environment, environment: Environment): SourceProcessConfig {
  checkNames(own, [...COMMON_NAMES, ...SOURCE_NAMES]);
  refuseHttp(own);
  const config = readSourceConfig(without(environment, [...HTTP_NAMES, ...SINK_NAMES]));
  // Contradictions between settings show only here; nothing is opened.
  config.connector.create(config.settings, { log: silentLogger() });
  return config;
}

function readSink(own: Environment, environment: Environment): SinkProcessConfig {
  checkNames(own, [...COMMON_NAMES, ...SINK_NAMES]);
  refuseHttp(own);
  const config = readSinkConfig(without(environment, [...HTTP_NAMES, ...SOURCE_NAMES]));
  config.connector.create(config.settings, { log: silentLogger() });
  return config;
}

/** In a file every key is meant for us, so one that is not known is a mistake. */
function checkNames(settings: Environment, known: readonly string[]): Environment {
  throwIfProblems(findUnknownNames(Object.keys(settings), known));
  return settings;
}

function refuseHttp(settings: Environment): void {
  const names = HTTP_NAMES.filter((name) => settings[name] !== undefined);
  throwIfProblems(names.map((name) => ({ name, message: 'belongs to the process: give it once, above the lists' })));
}

function entriesOf(kind: 'source' | 'sink', list: unknown, path: string, faults: string[]): readonly Entry[] {
  if (list === undefined || list === '') return [];
  if (!Array.isArray(list)) {
    faults.push(`"${kind}s:" is not a list: each ${kind} begins with a dash`);
    return [];
  }
  return list.flatMap((entry: unknown, index) => {
    const place = `${kind} ${index + 1}`;
    const settings = attempt(faults, place, () => toSettings(entry, `${place} of ${path}`));
    if (settings === undefined) return [];
    const name = settings[`${kind.toUpperCase()}_NAME`];
    return [{ title: name === undefined ? place : `${place} (${name})`, settings }];
  });
}

/** Two of one name would fence each other, or be told apart by nobody. */
function repeated({ sources, sinks }: Pick<ManyConfig, 'sources' | 'sinks'>): readonly string[] {
  const names = [...sources.map(({ settings }) => `SOURCE_NAME ${settings.SOURCE_NAME}`), ...sinks.map(({ settings }) => `SINK_NAME ${settings.SINK_NAME}`)];
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))].map((name) => `${name} is given more than once`);
}

function attempt<T>(faults: string[], title: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const failure = toCdcError(error);
    if (failure.exitCode !== 2) throw failure;
    faults.push(`${title}: ${failure.message.replaceAll('\n', '\n  ')}`);
    return undefined;
  }
}

/** The second over the first: also where one names a secret and the other its file. */
function merge(below: Environment, above: Environment): Environment {
  return { ...withoutOverruled(below, above), ...above };
}

function pick(environment: Environment, names: readonly string[]): Environment {
  return Object.fromEntries(names.flatMap((name) => (isGiven(environment[name]) ? [[name, environment[name]]] : [])));
}

function without(environment: Environment, names: readonly string[]): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !names.includes(name)));
}

function isGiven(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

function isRead<T>(value: T | undefined): value is T {
  return value !== undefined;
}
