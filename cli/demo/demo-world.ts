import pg from 'pg';
import { readOptions } from '../../shared/config/options.ts';
import { COMMON_OPTIONS } from '../../shared/config/common-options.ts';
import { silentLogger } from '../../shared/observe/log.ts';
import { startStack } from '../../stack/mod.ts';
import { kafkaConfig } from '../../topics/kafka/connection.ts';
import { LogOverview } from '../../topics/kafka/log-overview.ts';
import { CommandFailure, formatCount, progress } from '../terminal.ts';
import { ConnectorProcess } from './connector-process.ts';
import { RowCounts } from './row-counts.ts';
import { CREATE_SHOP, SEED, SEED_SHOP } from './shop-schema.ts';
import { Workload } from './workload.ts';

export const SOURCE_NAME = 'shop';
export const SLOT = `dbmazz_${SOURCE_NAME}`;
export type DemoSink = 'clickhouse' | 'postgres';
export const SINKS: readonly DemoSink[] = ['clickhouse', 'postgres'];

export function sinkName(sink: DemoSink): string {
  return `${SOURCE_NAME}-to-${sink}`;
}

const TABLES = 'public.*';
const STOP_GRACE_MS = 4000;
const STACK_VARIABLES = ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'POSTGRES_URL', 'CLICKHOUSE_URL'];

export interface WorldOptions {
  readonly changesPerSecond: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** Everything that the demo has started. Its disposal stops all of it and removes the data. */
export interface DemoWorld extends AsyncDisposable {
  readonly urls: { readonly source: string };
  readonly workload: Workload;
  readonly source: ConnectorProcess;
  readonly sinks: readonly ConnectorProcess[];
  readonly counts: RowCounts;
  readonly overview: LogOverview;
  /** Rejects with what went wrong in one of the parts; never resolves. */
  readonly failed: Promise<never>;
  openShop(): void;
  /** Resolves when the last transaction is over. */
  closeShop(): Promise<void>;
  verifySettings(sink: DemoSink): Readonly<Record<string, string>>;
}

export async function openWorld({ changesPerSecond, signal, say }: WorldOptions): Promise<DemoWorld> {
  await using opening = new AsyncDisposableStack();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);

  say('Starting the stack: Kafka, a schema registry, PostgreSQL and ClickHouse …');
  const env = await startOwnStack(opening, signal);
  const urls = {
    source: withDatabase(env['POSTGRES_URL'], 'shop'),
    copy: withDatabase(env['POSTGRES_URL'], 'shop_copy'),
    clickhouse: env['CLICKHOUSE_URL'] ?? '',
    database: 'shop',
  };
  say(`Filling the shop: ${formatCount(SEED.customers)} customers, ${formatCount(SEED.products)} products, ${formatCount(SEED.orders)} orders …`);
  await fillShop(env['POSTGRES_URL'] ?? '', urls.source, signal);

  say('Starting one source and two sinks, each a process of its own, and opening the shop …\n');
  const log = { KAFKA_BROKERS: env['KAFKA_BROKERS'] ?? '', SCHEMA_REGISTRY_URL: env['SCHEMA_REGISTRY_URL'] ?? '' };
  const sinkSettings: Readonly<Record<DemoSink, Readonly<Record<string, string>>>> = {
    clickhouse: { SINK_TYPE: 'clickhouse', SINK_URL: urls.clickhouse, SINK_DATABASE: urls.database },
    postgres: { SINK_TYPE: 'postgres', SINK_URL: urls.copy },
  };
  const sourceSettings = { SOURCE_TYPE: 'postgres', SOURCE_URL: urls.source, TABLES };
  const start = async (title: string, kind: 'source' | 'sink', settings: Readonly<Record<string, string>>): Promise<ConnectorProcess> => {
    const connector = await ConnectorProcess.start({ title, kind, settings: { ...log, ...settings }, onDeath: (error) => failed.reject(error) });
    opening.defer(async () => connector.stop(STOP_GRACE_MS));
    return connector;
  };
  const source = await start('source', 'source', { ...sourceSettings, SOURCE_NAME, HEARTBEAT_INTERVAL_MS: '1000' });
  const sinks = await Promise.all(
    SINKS.map(async (sink) =>
      start(`sink ${sink}`, 'sink', { ...sinkSettings[sink], SINK_NAME: sinkName(sink), SINK_TOPICS: `${SOURCE_NAME}.*`, FLUSH_INTERVAL_MS: '500' }),
    ),
  );

  const counts = new RowCounts(urls);
  opening.defer(async () => counts.close());
  await counts.open();
  const overview = new LogOverview(kafkaConfig(readOptions(COMMON_OPTIONS, log).settings, 'dbmazz-demo', silentLogger()));
  opening.defer(async () => overview.close());
  await overview.connect();
  const workload = new Workload(urls.source, changesPerSecond);
  opening.defer(async () => workload.stop());
  const openShop = (): void =>
    workload.start((error) => failed.reject(new CommandFailure(`The order shop failed: ${error instanceof Error ? error.message : String(error)}`)));
  openShop();
  signal.throwIfAborted();

  const resources = opening.move();
  return {
    urls,
    workload,
    source,
    sinks,
    counts,
    overview,
    failed: failed.promise,
    openShop,
    closeShop: async () => workload.stop(),
    verifySettings: (sink) => ({ ...sourceSettings, ...sinkSettings[sink] }),
    [Symbol.asyncDispose]: async () => resources.disposeAsync(),
  };
}

/** Always one of its own: the shop's databases and topics would be in the way of others, and theirs of it. */
async function startOwnStack(resources: AsyncDisposableStack, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  const given = STACK_VARIABLES.filter((name) => (process.env[name] ?? '') !== '');
  if (given.length > 0) progress(`(The demo brings its own stack: ${given.join(', ')} are not used.)`);
  for (const name of given) delete process.env[name];
  const starting = startStack({ services: ['kafka', 'registry', 'postgres', 'clickhouse'], onProgress: (line) => progress(`  ${line}`) });
  const stack = await Promise.race([starting, rejectOnAbort(signal)]);
  resources.defer(async () => stack.stop());
  return stack.env;
}

/** A stack that is still being started ends with this process. */
async function rejectOnAbort(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  return promise;
}

function withDatabase(url: string | undefined, database: string): string {
  const changed = new URL(url ?? '');
  changed.pathname = `/${database}`;
  return changed.href;
}

async function fillShop(adminUrl: string, shopUrl: string, signal: AbortSignal): Promise<void> {
  await withClient(adminUrl, async (client) => {
    await client.query('CREATE DATABASE shop');
    await client.query('CREATE DATABASE shop_copy');
  });
  await withClient(shopUrl, async (client) => {
    await client.query(CREATE_SHOP);
    for (const statement of SEED_SHOP) {
      signal.throwIfAborted();
      await client.query(statement);
    }
  });
}

async function withClient(connectionString: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString, application_name: 'dbmazz demo' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
