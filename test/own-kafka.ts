import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { untilReady } from '../stack/child.ts';
import { localKafka } from '../stack/kafka.ts';
import { freePort } from '../stack/ports.ts';
import type { Command, LocalService } from '../stack/service.ts';
import { TransactionalProducer } from '../topics/kafka/transactional-producer.ts';
import { liveConfig } from './live-topics.ts';
import { RecordedServer } from './recorded-server.ts';

const run = promisify(execFile);
const READY_WITHIN_MS = 60_000;

/** A broker that belongs to one test file: for settings that the shared one cannot have, and for ending it. */
export class OwnKafka implements AsyncDisposable {
  readonly #folder: string;
  readonly #service: LocalService;
  readonly #record: RecordedServer;
  #process: ChildProcess | undefined;

  /** `settings`: of the broker, over those of the stack. */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<OwnKafka> {
    const made = await make();
    await addSettings(made.service.command, settings);
    const broker = new OwnKafka(made);
    await broker.run();
    return broker;
  }

  /** With a listener for each way to log in; see `SecuredKafka`. */
  static async startSecured(): Promise<SecuredKafka> {
    const made = await make();
    const { folder, service } = made;
    const certificates = await makeCertificates(folder);
    const [sasl, mutual] = [await freePort(), await freePort()];
    await addSettings(service.command, securitySettings(await readFile(propertiesOf(service.command), 'utf8'), { folder, sasl, mutual }));
    await addUsers(folder, service.command);
    const broker = new OwnKafka(made);
    await broker.run();
    return { ...certificates, broker, saslPort: sasl, mutualPort: mutual };
  }

  private constructor({ folder, service, record }: Made) {
    this.#folder = folder;
    this.#service = service;
    this.#record = record;
  }

  /** host:port without TLS and login. */
  get url(): string {
    return this.#service.url;
  }

  /** Starts it, or starts it again on the same port with the same data. */
  async run(): Promise<void> {
    const { file, args } = this.#service.command;
    const child = spawn(file, args, { cwd: this.#folder, stdio: 'ignore' });
    this.#process = child;
    this.#record.runs(this.url, child.pid);
    const { title } = this.#service;
    const ready = async (): Promise<void> => {
      await this.#service.ready();
      await takesTransactions(this.url);
    };
    await untilReady({ title, ready, withinMs: READY_WITHIN_MS, ending: () => (child.exitCode === null ? undefined : `exit code ${child.exitCode}`) });
  }

  /** As a crash would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#record[Symbol.asyncDispose]();
  }
}

/**
 * A broker whose certificate is for `localhost`, signed by an authority of its own. On `saslPort` it wants the user
 * below, by PLAIN or SCRAM, over TLS; on `mutualPort` a certificate that its authority has signed.
 */
export interface SecuredKafka extends Certificates {
  readonly broker: OwnKafka;
  readonly saslPort: number;
  readonly mutualPort: number;
}

export const KAFKA_USER = { name: 'alice', password: 'hush-hush' } as const;

/** PEM files. */
interface Certificates {
  readonly ca: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
}

/** A broker makes the topic that coordinates transactions when it is first asked for one, and has to find out who leads it. */
async function takesTransactions(url: string): Promise<void> {
  const config = liveConfig({ KAFKA_BROKERS: url });
  const producer = new TransactionalProducer({ config, transactionalId: 'ready', transactionTimeoutMs: 30_000, compression: 'none' });
  try {
    await producer.init();
  } finally {
    await producer.close();
  }
}

interface Made {
  readonly folder: string;
  readonly service: LocalService;
  readonly record: RecordedServer;
}

async function make(): Promise<Made> {
  const folder = await mkdtemp(join(tmpdir(), 'dbmazz-kafka-'));
  const record = new RecordedServer('kafka', folder);
  const service = await localKafka({ folder, onProgress: () => undefined, helpers: record.helpers });
  return { folder, service, record };
}

function propertiesOf({ args }: Command): string {
  return args.at(-1) ?? '';
}

/** The last line of a key holds. */
async function addSettings(command: Command, settings: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await appendFile(propertiesOf(command), lines.join(''));
}

function securitySettings(properties: string, places: { readonly folder: string; readonly sasl: number; readonly mutual: number }): Record<string, string> {
  const { folder, sasl, mutual } = places;
  const setting = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(properties)?.[1] ?? '';
  const { name, password } = KAFKA_USER;
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  return {
    listeners: `${setting('listeners')},SASL_SSL://127.0.0.1:${sasl},SSL://127.0.0.1:${mutual}`,
    'advertised.listeners': `${setting('advertised\\.listeners')},SASL_SSL://localhost:${sasl},SSL://localhost:${mutual}`,
    'listener.security.protocol.map': `${setting('listener\\.security\\.protocol\\.map')},SASL_SSL:SASL_SSL,SSL:SSL`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': join(folder, 'server.pem'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': join(folder, 'ca.pem'),
    'listener.name.ssl.ssl.client.auth': 'required',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasl_ssl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${name}="${password}";`,
    'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': scram,
  };
}

/** The first users of SCRAM come with the formatting of the data folder. */
async function addUsers(folder: string, command: Command): Promise<void> {
  const libraries = command.args[command.args.indexOf('-cp') + 1] ?? '';
  const credentials = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${KAFKA_USER.name},password=${KAFKA_USER.password}]`,
  ]);
  await rm(join(folder, 'data'), { recursive: true });
  const tool = ['-XX:TieredStopAtLevel=1', '-cp', libraries, 'kafka.tools.StorageTool', 'format', '-t', 'dbmazzOwnKafkaTests1Ag'];
  await run(command.file, [...tool, '-c', propertiesOf(command), ...credentials], { cwd: folder });
}

/** An authority, the broker's certificate for `localhost`, and one for a client. */
async function makeCertificates(folder: string): Promise<Certificates> {
  const openssl = async (...args: readonly string[]) => run('openssl', [...args], { cwd: folder });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl('req', '-x509', ...newKey, '-days', '30', '-subj', '/CN=authority of a test', '-keyout', 'ca.key', '-out', 'ca.pem');
  await writeFile(join(folder, 'names'), 'subjectAltName=DNS:localhost\n');
  for (const name of ['server', 'client']) {
    await openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-extfile', 'names', '-out', `${name}.crt`];
    await openssl('x509', '-req', '-in', `${name}.csr`, ...signed);
  }
  const pem = await Promise.all(['server.key', 'server.crt', 'ca.pem'].map((name) => readFile(join(folder, name), 'utf8')));
  await writeFile(join(folder, 'server.pem'), pem.join(''));
  return { ca: join(folder, 'ca.pem'), clientCertificate: join(folder, 'client.crt'), clientKey: join(folder, 'client.key') };
}
