import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { stacksFolder } from './cache.ts';
import { endProcess, isAlive, killFamilyNow, ownMark, type ProcessMark } from './process.ts';
import { type HelperBook, SERVICE_NAMES, type ServiceName, type ServiceOrigin } from './service.ts';

/**
 * What is written down of each stack before and after every process it starts, so that another run can end what
 * a killed one left behind.
 */
export interface StackState {
  readonly id: string;
  /** Null: the stack outlives its maker on purpose, until `down`. */
  owner: ProcessMark | null;
  readonly startedAt: string;
  readonly folder: string;
  readonly services: Partial<Record<ServiceName, ServiceState>>;
  /** Short-lived helpers (initdb and the like) that run right now. */
  helpers: ProcessMark[];
}

export interface ServiceState {
  readonly origin: ServiceOrigin;
  readonly url: string;
  readonly process?: ProcessMark | undefined;
  readonly container?: string | undefined;
}

const markSchema = z.object({ pid: z.int().positive(), startTime: z.string().min(1) });
const serviceSchema = z.object({
  origin: z.enum(['url', 'container', 'process']),
  url: z.string(),
  process: markSchema.optional(),
  container: z.string().optional(),
});
const stateSchema = z.object({
  id: z.string().regex(/^[a-z0-9]+$/),
  owner: markSchema.nullable(),
  startedAt: z.string(),
  folder: z.string(),
  services: z.partialRecord(z.enum(SERVICE_NAMES), serviceSchema),
  helpers: z.array(markSchema),
});

/** How each service ends well: PostgreSQL's SIGINT is its fast shutdown. */
const STOP_SIGNALS: Readonly<Record<ServiceName, NodeJS.Signals>> = {
  kafka: 'SIGTERM',
  registry: 'SIGTERM',
  postgres: 'SIGINT',
  clickhouse: 'SIGTERM',
};
const STOP_GRACE_MS = 5000;

export function newState(id: string, folder: string): StackState {
  return { id, owner: ownMark(), startedAt: new Date().toISOString(), folder, services: {}, helpers: [] };
}

/** Synchronous, so that no process runs unrecorded for longer than this takes; readers see the old or the new text. */
export function saveState(state: StackState): void {
  mkdirSync(stacksFolder(), { recursive: true, mode: 0o700 });
  const file = stateFile(state.id);
  writeFileSync(`${file}.new`, JSON.stringify(state, null, 2), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function readStates(): StackState[] {
  let names: string[];
  try {
    names = readdirSync(stacksFolder());
  } catch {
    return [];
  }
  return names.filter((name) => name.endsWith('.json')).flatMap((name) => readState(join(stacksFolder(), name)));
}

function readState(file: string): StackState[] {
  try {
    return [parseState(readFileSync(file, 'utf8'))];
  } catch {
    return [];
  }
}

export function parseState(text: string): StackState {
  return stateSchema.parse(JSON.parse(text));
}

/** A stack is abandoned when the process that should have stopped it is gone; a detached one never is. */
export function isAbandoned(state: StackState, alive: (mark: ProcessMark) => boolean = isAlive): boolean {
  return state.owner !== null && !alive(state.owner);
}

/** The processes that still run, in the order in which to end them: clients of a service before the service. */
export function runningProcesses(
  state: StackState,
  alive: (mark: ProcessMark) => boolean = isAlive,
): { readonly mark: ProcessMark; readonly signal: NodeJS.Signals }[] {
  const helpers = state.helpers.map((mark) => ({ mark, signal: 'SIGKILL' as const }));
  const services = SERVICE_NAMES.toReversed().flatMap((name) => {
    const mark = state.services[name]?.process;
    return mark === undefined ? [] : [{ mark, signal: STOP_SIGNALS[name] }];
  });
  return [...helpers, ...services].filter((entry) => alive(entry.mark));
}

/** Ends what the state names and runs, removes its data and the state itself. Containers are the caller's. */
export async function endRecorded(state: StackState, graceMs: number = STOP_GRACE_MS): Promise<void> {
  await Promise.all(runningProcesses(state).map(async ({ mark, signal }) => endProcess(mark, signal, graceMs)));
  await rm(state.folder, { recursive: true, force: true, maxRetries: 5 });
  rmSync(stateFile(state.id), { force: true });
}

/** The same in the moment in which this process ends: at once and without waiting. */
export function endRecordedNow(state: StackState): void {
  for (const { mark } of runningProcesses(state)) killFamilyNow(mark);
  rmSync(state.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  rmSync(stateFile(state.id), { force: true });
}

function stateFile(id: string): string {
  return join(stacksFolder(), `${id}.json`);
}

/** Writes down what is run before there is a service. */
export function helperBook(state: StackState): HelperBook {
  return {
    record: (mark) => {
      state.helpers.push(mark);
      saveState(state);
    },
    gone: (mark) => {
      state.helpers = state.helpers.filter((helper) => helper.pid !== mark.pid);
      saveState(state);
    },
  };
}
