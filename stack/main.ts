import { Command, CommanderError } from 'commander';
import { cleanUpAbandoned, givenUrl, startDetached, takeDown } from './mod.ts';
import { isAlive } from './process.ts';
import { environmentOf, isServiceName, SERVICE_NAMES, type ServiceName } from './service.ts';
import { messageOf, StackError } from './stack-error.ts';
import { readStates, type StackState } from './state.ts';
import { exportLines, servicesFor, statusTable } from './texts.ts';

const EXIT_CONFIGURATION = 2;

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function up(named: readonly string[]): Promise<void> {
  const wanted = servicesFor(named.map(serviceName));
  await cleanUpAbandoned(progress);
  await removeDead();
  const there = readStates().filter((state) => state.owner === null);
  const found: Partial<Record<ServiceName, string>> = {};
  for (const name of wanted) {
    const urls = there.flatMap((state) => state.services[name]?.url ?? []);
    const url = givenUrl(name) === '' ? urls[0] : urls.find((candidate) => candidate === givenUrl(name));
    if (url !== undefined) found[name] = url;
  }
  const missing = wanted.filter((name) => found[name] === undefined);
  for (const name of wanted.filter((candidate) => !missing.includes(candidate))) progress(`${name}: is up already`);
  const env = missing.length === 0 ? {} : (await startDetached({ services: missing, onProgress: progress })).env;
  process.stdout.write(exportLines({ ...environmentOf(found), ...env }));
}

/** A detached stack of which a process is gone (killed, or the machine was restarted) can only be made anew. */
async function removeDead(): Promise<void> {
  for (const state of readStates().filter((candidate) => candidate.owner === null && hasDeadProcess(candidate))) {
    progress(`A process of stack ${state.id} is gone; it is taken down …`);
    await takeDown(state);
  }
}

function hasDeadProcess(state: StackState): boolean {
  return Object.values(state.services).some((service) => service.process !== undefined && !isAlive(service.process));
}

async function down(): Promise<void> {
  await cleanUpAbandoned(progress);
  const detached = readStates().filter((state) => state.owner === null);
  await Promise.all(detached.map(async (state) => takeDown(state)));
  progress(detached.length === 0 ? 'No stack is up.' : 'The stack is down and its data is removed.');
}

function serviceName(text: string): ServiceName {
  if (isServiceName(text)) return text;
  throw new StackError(`There is no service "${text}": choose from ${SERVICE_NAMES.join(', ')}.`, { exitCode: EXIT_CONFIGURATION });
}

const program = new Command('stack').description('The local stack: Kafka, a schema registry, PostgreSQL and ClickHouse.').exitOverride();
program
  .command('up')
  .description('start broker, registry and the databases named (all if none is), and print the export lines of their URLs')
  .argument('[services...]', SERVICE_NAMES.join(', '))
  .action(up);
program.command('down').description('stop what `up` started and remove its data').action(down);
program
  .command('status')
  .description('what runs, where, and how')
  .action(() => void process.stdout.write(statusTable(readStates(), isAlive)));

// The exit hook of a stack that is coming up then ends what is there of it.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_CONFIGURATION;
  else {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = error instanceof StackError ? error.exitCode : 1;
  }
}
