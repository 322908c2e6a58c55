import { REGISTRY_API_PATH } from '../registry.ts';

export type Settings = Readonly<Record<string, string>>;

/** What Kafka's own `connect-standalone.sh` starts a worker with. */
export const START_SCRIPT_FLAGS = [
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
];

export function workerSettings(kafkaBrokers: string, places: { readonly restPort: number; readonly offsetsFile: string }): Settings {
  return {
    'bootstrap.servers': kafkaBrokers,
    listeners: `http://127.0.0.1:${places.restPort}`,
    'offset.storage.file.filename': places.offsetsFile,
    // Either the worker or the connector has to name a converter: the connector's are the ones that are used.
    'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  };
}

/** The Avro converter for keys and values. */
export function avroConverters(registryUrl: string): Settings {
  return { ...converterSettings('key', registryUrl), ...converterSettings('value', registryUrl) };
}

/** As in Debezium's manual, with ids of four bytes that every Confluent client reads. */
function converterSettings(part: 'key' | 'value', registryUrl: string): Settings {
  return {
    [`${part}.converter`]: 'io.apicurio.registry.utils.converter.AvroConverter',
    [`${part}.converter.apicurio.registry.url`]: nativeRegistryUrl(registryUrl),
    [`${part}.converter.apicurio.registry.auto-register`]: 'true',
    [`${part}.converter.apicurio.registry.find-latest`]: 'true',
    [`${part}.converter.apicurio.registry.headers.enabled`]: 'false',
    [`${part}.converter.apicurio.registry.as-confluent`]: 'true',
    [`${part}.converter.apicurio.registry.use-id`]: 'contentId',
  };
}

function nativeRegistryUrl(registryUrl: string): string {
  const url = registryUrl.replace(/\/$/, '');
  if (!url.endsWith(REGISTRY_API_PATH)) throw new Error(`Debezium's converter needs an Apicurio registry, whose address ends in ${REGISTRY_API_PATH}.`);
  return `${url.slice(0, -REGISTRY_API_PATH.length)}/apis/registry/v2`;
}

/** The text that java.util.Properties reads as these settings; it takes a file for Latin-1. */
export function toProperties(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${escapeProperty(value)}\n`)
    .join('');
}

function escapeProperty(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replace(/^ /, '\\ ')
    .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
