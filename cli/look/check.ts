import type { CommonSettings } from '../../shared/config/common-options.ts';
import { loadEnvironment } from '../../shared/config/load-environment.ts';
import type { Environment } from '../../shared/config/options.ts';
import type { Finding } from '../../shared/connector/finding.ts';
import { CdcError, toCdcError } from '../../shared/errors/cdc-error.ts';
import { CODES, EXIT } from '../../shared/errors/codes.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { describeFailure } from '../../shared/process/run-process.ts';
import { readSinkConfig } from '../../sinks/main.ts';
import { readSourceConfig } from '../../sources/main.ts';
import { Registry } from '../../topics/avro/registry.ts';
import { kafkaConfig } from '../../topics/kafka/connection.ts';
import { TopicAdmin } from '../../topics/kafka/topic-admin.ts';
import { print } from '../terminal.ts';

/** One thing to look at: what it is called, and how to find out. */
interface Check {
  readonly title: string;
  readonly run: () => Promise<readonly Finding[]>;
}

/** Checks the source and the sink that are set, and the log between them; gives the exit code. */
export async function check(argv: readonly string[]): Promise<number> {
  const checks = [...sourceChecks(argv), ...sinkChecks(argv)];
  if (checks.length === 0) {
    throw new CdcError('CONFIG_INVALID', 'There is nothing to check: neither SOURCE_TYPE nor SINK_TYPE is set.', {
      remedy: 'Set the variables of a source, of a sink, or of both.',
    });
  }
  let exitCode: number = EXIT.stopped;
  for (const { title, run } of checks) {
    const code = await report(title, run);
    if (exitCode === EXIT.stopped) exitCode = code;
  }
  return exitCode;
}

function sourceChecks(argv: readonly string[]): readonly Check[] {
  const environment = sectionOf('source', argv, 'SOURCE_TYPE');
  if (environment === undefined) return [];
  const { connector, settings } = readSourceConfig(environment);
  const validate = async (): Promise<readonly Finding[]> => connector.create(settings, { log: silentLogger() }).validate();
  return [{ title: `source ${settings.SOURCE_NAME}`, run: validate }, ...logChecks(settings)];
}

function sinkChecks(argv: readonly string[]): readonly Check[] {
  const environment = sectionOf('sink', argv, 'SINK_TYPE');
  if (environment === undefined) return [];
  const { connector, settings } = readSinkConfig(environment);
  const validate = async (): Promise<readonly Finding[]> => {
    const sink = connector.create(settings, { log: silentLogger() });
    try {
      return await sink.validateConnection();
    } finally {
      await sink.close();
    }
  };
  const alreadyChecked = sectionOf('source', argv, 'SOURCE_TYPE') !== undefined;
  return [{ title: `sink ${settings.SINK_NAME}`, run: validate }, ...(alreadyChecked ? [] : logChecks(settings))];
}

/** The settings of one side, or undefined where its type is not set. */
function sectionOf(section: 'source' | 'sink', argv: readonly string[], typeName: string): Environment | undefined {
  if (argv.length === 0) return (process.env[typeName] ?? '') === '' ? undefined : process.env;
  try {
    const environment = loadEnvironment(section, argv, process.env);
    return (environment[typeName] ?? '') === '' ? undefined : environment;
  } catch (error) {
    // A file may speak of one side alone; then the other one's section is missing, and so is its type.
    if ((process.env[typeName] ?? '') === '') return undefined;
    throw error;
  }
}

function logChecks(settings: CommonSettings): readonly Check[] {
  const broker = async (): Promise<readonly Finding[]> => {
    const admin = new TopicAdmin(kafkaConfig(settings, 'dbmazz-check', silentLogger()));
    try {
      await admin.connect();
      return [];
    } finally {
      await admin.close();
    }
  };
  const registry = async (): Promise<readonly Finding[]> => {
    await new Registry(settings).ping();
    return [];
  };
  return [
    { title: 'broker', run: broker },
    { title: 'schema registry', run: registry },
  ];
}

async function report(title: string, run: Check['run']): Promise<number> {
  try {
    const findings = await run();
    const errors = findings.filter(({ severity }) => severity === 'error');
    print(`${errors.length === 0 ? '✓' : '✗'} ${title}`);
    for (const { severity, code, message, remedy } of findings) print(`  ${severity} ${code}: ${message}\n    remedy: ${remedy}`);
    const [first] = errors;
    return first === undefined ? EXIT.stopped : CODES[first.code].exitCode;
  } catch (error) {
    const failure = toCdcError(error);
    print(`✗ ${title}\n  ${describeFailure(failure).replaceAll('\n', '\n  ')}`);
    return failure.exitCode;
  }
}
