import { startStack } from '../stack/mod.ts';

/**
 * Gives the tests that need servers the URLs of one stack, in the environment: KAFKA_BROKERS, SCHEMA_REGISTRY_URL,
 * POSTGRES_URL and CLICKHOUSE_URL. A URL that is already there is taken as it is, so every project that runs this after
 * the first one shares the first one's stack.
 */
export async function setup(): Promise<() => Promise<void>> {
  const stack = await startStack({
    services: ['kafka', 'registry', 'postgres', 'clickhouse'],
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  Object.assign(process.env, stack.env);
  return async () => stack.stop();
}

export { setup as default };
