import { existsSync } from 'node:fs';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { cacheFolder, provide } from './cache.ts';
import { runChild } from './child.ts';
import { findJava, runMaven, type Java } from './download.ts';
import { freePort } from './ports.ts';
import { quickStartFlags } from './quick-start.ts';
import type { LocalService, LocalServiceContext, Progress } from './service.ts';

const KAFKA_VERSION = '4.4.0';
const LOG4J_VERSION = '2.25.5';
const FOLDER_NAME = `kafka-${KAFKA_VERSION}`;
const TITLE = `Kafka ${KAFKA_VERSION}`;
const CLUSTER_ID = 'dbmazzStackCluster1Ag';

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dbmazz.stack</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>${LOG4J_VERSION}</version></dependency>
  </dependencies>
</project>
`;

/** To standard output, which the stack sends to the service's log file. */
const LOGGING = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
`;

export async function localKafka(context: LocalServiceContext): Promise<LocalService> {
  const isNew = !isDownloaded();
  const java = await kafkaJava();
  const libraries = join(await provideKafka(context.onProgress), 'libs', '*');
  const formatted = await provideFormatted({ java, libraries, context });
  const make = async (folder: string, flags: readonly string[]): Promise<LocalService> => kafkaProcess({ java, libraries, formatted, folder, flags });
  return make(context.folder, await quickStartFlags({ name: FOLDER_NAME, title: TITLE, mayTrain: !isNew, java, context, make }));
}

/** One broker that is its own controller, on two free ports of 127.0.0.1. */
async function kafkaProcess(options: {
  readonly java: Java;
  readonly libraries: string;
  readonly formatted: string;
  readonly folder: string;
  readonly flags: readonly string[];
}): Promise<LocalService> {
  const { java, libraries, formatted, folder, flags } = options;
  const port = await freePort();
  const dataFolder = join(folder, 'data');
  await cp(formatted, dataFolder, { recursive: true });
  const properties = await writeProperties(folder, { port, controllerPort: await freePort(), dataFolder });
  const logging = join(folder, 'log4j2.properties');
  await writeFile(logging, LOGGING);
  const url = `127.0.0.1:${port}`;
  return {
    name: 'kafka',
    title: TITLE,
    url,
    command: {
      file: java.file,
      args: ['-Xms256m', '-Xmx512m', '-XX:+UseG1GC', ...flags, `-Dlog4j2.configurationFile=${logging}`, '-cp', libraries, 'kafka.Kafka', properties],
    },
    logFile: join(folder, 'kafka.log'),
    ready: async () => kafkaAnswers(url),
  };
}

/** An empty data folder as Kafka's own tool makes it: the same for every stack, and 1.2 s that are paid once. */
async function provideFormatted(options: { readonly java: Java; readonly libraries: string; readonly context: LocalServiceContext }): Promise<string> {
  const { java, libraries, context } = options;
  const folder = await provide(`${FOLDER_NAME}-formatted`, async (temporary) => {
    const properties = await writeProperties(temporary, { port: 9092, controllerPort: 9093, dataFolder: join(temporary, 'data') });
    await runChild(
      { file: java.file, args: ['-XX:TieredStopAtLevel=1', '-cp', libraries, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', properties] },
      { title: "The formatting of Kafka's data folder", logFile: join(context.folder, 'format.log'), helpers: context.helpers },
    );
  });
  return join(folder, 'data');
}

/** Rejects if what it takes to run it here is missing; asks before anything is downloaded. */
export async function kafkaJava(): Promise<Java> {
  return findJava({ maven: !isDownloaded() });
}

function isDownloaded(): boolean {
  return existsSync(join(cacheFolder(), FOLDER_NAME));
}

async function provideKafka(onProgress: Progress): Promise<string> {
  return provide(FOLDER_NAME, async (folder) => {
    await writeFile(join(folder, 'pom.xml'), POM);
    const args = ['dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'libs')}`];
    await runMaven(folder, args, { title: TITLE, size: '43 MB', onProgress });
  });
}

async function writeProperties(
  folder: string,
  options: { readonly port: number; readonly controllerPort: number; readonly dataFolder: string },
): Promise<string> {
  const { dataFolder } = options;
  const broker = `PLAINTEXT://127.0.0.1:${options.port}`;
  const controller = `127.0.0.1:${options.controllerPort}`;
  const settings = brokerSettings({ listeners: `${broker},CONTROLLER://${controller}`, advertised: broker, controller, dataFolder });
  const file = join(folder, 'server.properties');
  await writeFile(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  return file;
}

interface BrokerPlaces {
  readonly listeners: string;
  readonly advertised: string;
  readonly controller: string;
  readonly dataFolder: string;
}

/** One node for everything, so that nothing waits for replicas; topics exist only where somebody creates them. */
export function brokerSettings(places: BrokerPlaces): Readonly<Record<string, string | number | boolean>> {
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@${places.controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: places.listeners,
    'advertised.listeners': places.advertised,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': places.dataFolder,
    'auto.create.topics.enable': false,
    'default.replication.factor': 1,
    'min.insync.replicas': 1,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 5,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 5,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    // A broker that was killed may register again only when its old session is over: 14 s to restart with the default of 9.
    'broker.session.timeout.ms': 2500,
    'broker.heartbeat.interval.ms': 500,
  };
}

/** Resolves when a broker at this address answers ApiVersions and lists itself in the cluster's metadata. */
export async function kafkaAnswers(brokers: string): Promise<void> {
  const client = new kafkajs.Kafka({
    clientId: 'dbmazz-stack',
    brokers: brokers.split(','),
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 1000,
    requestTimeout: 3000,
    retry: { retries: 0 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const { brokers: listed } = await admin.describeCluster();
    if (listed.length === 0) throw new Error('no broker is registered yet');
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
