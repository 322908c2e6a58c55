import { randomBytes } from 'node:crypto';
import { clickhouseAnswers } from './clickhouse.ts';
import { brokerSettings, kafkaAnswers } from './kafka.ts';
import { POSTGRES_SETTINGS, postgresAnswers } from './postgres.ts';
import { REGISTRY_API_PATH, REGISTRY_VERSION, registryAnswers } from './registry.ts';
import type { ServiceName } from './service.ts';

/** How a service runs as a container; the same images as in docker-compose.yml. */
export interface ContainerPlan {
  readonly title: string;
  readonly image: string;
  readonly containerPort: number;
  readonly env: Record<string, string>;
  readonly command: readonly string[];
  readonly url: string;
  readonly ready: (url: string) => Promise<void>;
}

/** The engine's host, and the port on it that is bound to the container's: Kafka has to know it before it starts. */
interface Place {
  readonly host: string;
  readonly port: number;
}

export const CONTAINERS: Readonly<Record<ServiceName, (place: Place) => ContainerPlan>> = {
  kafka: ({ host, port }) => ({
    title: 'Kafka',
    image: 'apache/kafka:4.1.0',
    containerPort: 9092,
    env: {
      ...environmentOfSettings(
        brokerSettings({
          listeners: 'PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093',
          advertised: `PLAINTEXT://${host}:${port}`,
          controller: '127.0.0.1:9093',
          dataFolder: '/tmp/kraft-combined-logs',
        }),
      ),
      KAFKA_HEAP_OPTS: '-Xms256m -Xmx512m',
    },
    command: [],
    url: `${host}:${port}`,
    ready: kafkaAnswers,
  }),
  registry: ({ host, port }) => ({
    title: 'Schema registry',
    image: `apicurio/apicurio-registry:${REGISTRY_VERSION}`,
    containerPort: 8080,
    env: {},
    command: [],
    url: `http://${host}:${port}${REGISTRY_API_PATH}`,
    ready: registryAnswers,
  }),
  postgres: ({ host, port }) => {
    const password = randomBytes(12).toString('hex');
    return {
      title: 'PostgreSQL 18',
      image: 'postgres:18',
      containerPort: 5432,
      env: { POSTGRES_PASSWORD: password },
      command: ['postgres', ...Object.entries(POSTGRES_SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      url: `postgres://postgres:${password}@${host}:${port}/postgres?sslmode=disable`,
      ready: postgresAnswers,
    };
  },
  clickhouse: ({ host, port }) => {
    const password = randomBytes(12).toString('hex');
    return {
      title: 'ClickHouse',
      image: 'clickhouse/clickhouse-server:25.8',
      containerPort: 8123,
      env: { CLICKHOUSE_USER: 'default', CLICKHOUSE_PASSWORD: password, CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT: '1' },
      command: [],
      url: `http://default:${password}@${host}:${port}`,
      ready: clickhouseAnswers,
    };
  },
};

/** The image's rule: `KAFKA_`, then the setting's name in capitals with `_` for every dot. */
export function environmentOfSettings(settings: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [`KAFKA_${name.toUpperCase().replaceAll('.', '_')}`, String(value)]));
}
