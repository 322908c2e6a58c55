import type { ProcessMark } from './process.ts';

/** The services of the local stack and what each part of `stack/` says to the others about them. */

export const SERVICE_NAMES = ['kafka', 'registry', 'postgres', 'clickhouse'] as const;

export type ServiceName = (typeof SERVICE_NAMES)[number];

/** How a service came to be: given by its URL, in a container, or as a process of this machine. */
export type ServiceOrigin = 'url' | 'container' | 'process';

export interface StackUrls {
  readonly kafkaBrokers: string;
  readonly registryUrl: string;
  readonly postgresUrl: string;
  readonly clickhouseUrl: string;
}

/** The environment variable that names a service from outside, and that is handed on to connectors. */
export const SERVICE_VARIABLES: Readonly<Record<ServiceName, string>> = {
  kafka: 'KAFKA_BROKERS',
  registry: 'SCHEMA_REGISTRY_URL',
  postgres: 'POSTGRES_URL',
  clickhouse: 'CLICKHOUSE_URL',
};

/** Receives one line of progress; never called with a password or a URL that holds one. */
export type Progress = (line: string) => void;

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** A service as a process of this machine: how to run it (again), and how to know that it answers. */
export interface LocalService {
  readonly name: ServiceName;
  readonly title: string;
  readonly url: string;
  readonly command: Command;
  readonly logFile: string;
  /** Resolves when the service answers a request; rejects while it does not. */
  readonly ready: () => Promise<void>;
}

/** Is told of every short-lived process, so that none outlives its stack. */
export interface HelperBook {
  readonly record: (mark: ProcessMark) => void;
  readonly gone: (mark: ProcessMark) => void;
}

export interface LocalServiceContext {
  /** The service's own folder: exists, empty, removed with the stack. */
  readonly folder: string;
  readonly onProgress: Progress;
  readonly helpers: HelperBook;
}

export function isServiceName(text: string): text is ServiceName {
  return (SERVICE_NAMES as readonly string[]).includes(text);
}

export function urlsOf(found: Partial<Record<ServiceName, string>>): StackUrls {
  return {
    kafkaBrokers: found.kafka ?? '',
    registryUrl: found.registry ?? '',
    postgresUrl: found.postgres ?? '',
    clickhouseUrl: found.clickhouse ?? '',
  };
}

export function environmentOf(found: Partial<Record<ServiceName, string>>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of SERVICE_NAMES) {
    const url = found[name];
    if (url !== undefined) env[SERVICE_VARIABLES[name]] = url;
  }
  return env;
}
