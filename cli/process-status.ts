import { CdcError } from '../shared/errors/cdc-error.ts';

/** What a source or sink process says of itself. Read with care: it may be of another version. */
export interface ProcessStatus {
  readonly kind: string;
  readonly name: string;
  readonly state: string;
  readonly records: number;
  readonly position: string | undefined;
  readonly lagSeconds: number | undefined;
  readonly lagRecords: number | undefined;
  readonly lagBytes: number | undefined;
  readonly lastError: string | undefined;
  /** Tables whose snapshot is done, and all tables; undefined where the process says nothing of tables. */
  readonly snapshot: { readonly done: number; readonly tables: number } | undefined;
  /** What the database keeps for a source, in a sentence. */
  readonly slot: string | undefined;
  /** Tables that are published no further. */
  readonly stopped: readonly StoppedStatus[];
  /** Of a sink: its tables, as far as this process has partitions of them. */
  readonly tables: readonly TableStatus[];
  readonly raw: unknown;
}

export interface StoppedStatus {
  readonly table: string;
  readonly reason: string;
  readonly remedy: string;
  readonly passedOver: number;
}

export interface TableStatus {
  readonly topic: string;
  readonly state: string;
  /** Partition and offset of the record that has stopped it. */
  readonly blockedBy: string | undefined;
  readonly error: string | undefined;
}

const TIMEOUT_MS = 3000;

/** Asks `GET /status` of a process with one source or sink. Throws `CONNECTION_LOST` or `AUTH_FAILED`. */
export async function fetchStatus(address: string, token?: string): Promise<ProcessStatus> {
  return parseStatus(await askStatus(address, token));
}

/** The same of a process with any number of them. */
export async function fetchStatuses(address: string, token?: string): Promise<readonly ProcessStatus[]> {
  const answer = await askStatus(address, token);
  const { pipelines } = toObject(answer);
  return Array.isArray(pipelines) ? pipelines.map(parseStatus) : [parseStatus(answer)];
}

/** One request to a process: its address, with the path. Throws `CONNECTION_LOST` or `AUTH_FAILED`. */
export async function askProcess(path: string, token: string | undefined, method: 'GET' | 'POST' = 'GET'): Promise<Response> {
  const url = path.includes('://') ? path : `http://${path}`;
  const address = url.slice(url.indexOf('://') + 3).split('/', 1)[0] ?? '';
  const headers = token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` };
  let response: Response;
  try {
    response = await fetch(url, { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new CdcError('CONNECTION_LOST', `No process answers at ${address}.`, {
      cause: error,
      remedy: 'Check the address; a process answers only where HTTP_PORT is set.',
    });
  }
  if (response.status === 401)
    throw new CdcError('AUTH_FAILED', `The process at ${address} asks for a token.`, { remedy: 'Set HTTP_TOKEN to the one that it was started with.' });
  return response;
}

async function askStatus(address: string, token: string | undefined): Promise<unknown> {
  const response = await askProcess(`${address}/status`, token);
  if (!response.ok) throw new CdcError('CONNECTION_LOST', `The process at ${address} answered ${response.status}.`, { remedy: 'Check the address.' });
  return response.json();
}

export function parseStatus(raw: unknown): ProcessStatus {
  const status = toObject(raw);
  const lag = toObject(status['lag']);
  return {
    kind: toText(status['kind']) ?? 'process',
    name: toText(status['name']) ?? '?',
    state: toText(status['state']) ?? 'unknown',
    records: toNumber(status['records']) ?? 0,
    position: toText(status['position']),
    lagSeconds: toNumber(lag['seconds']),
    lagRecords: toNumber(lag['records']),
    lagBytes: toNumber(lag['bytes']),
    lastError: describeError(toObject(status['lastError'])),
    snapshot: snapshotOf(status),
    slot: describeSlot(toObject(status['slot'])),
    stopped: stoppedOf(toObject(status['stopped'])),
    tables: tablesOf(status),
    raw,
  };
}

function tablesOf({ tables }: Readonly<Record<string, unknown>>): readonly TableStatus[] {
  if (Array.isArray(tables)) return [];
  return Object.entries(toObject(tables)).map(([topic, value]) => {
    const table = toObject(value);
    const { partition, offset } = toObject(table['blockedBy']);
    const blockedBy = offset === undefined ? undefined : `partition ${String(partition)}, offset ${String(offset)}`;
    return { topic, state: toText(table['state']) ?? 'unknown', blockedBy, error: describeError(toObject(table['error'])) };
  });
}

function snapshotOf(status: Readonly<Record<string, unknown>>): ProcessStatus['snapshot'] {
  const { tables } = status;
  if (!Array.isArray(tables)) return undefined;
  const progress = Object.values(toObject(toObject(status['snapshot'])['tables']));
  return { done: progress.filter((table) => toObject(table)['state'] === 'done').length, tables: tables.length };
}

function describeSlot(slot: Readonly<Record<string, unknown>>): string | undefined {
  const [name, retained, used] = [toText(slot['name']), toNumber(slot['retainedBytes']), toNumber(slot['budgetUsed'])];
  if (name === undefined) return undefined;
  const parts = [
    toText(slot['invalidation']) ?? toText(slot['walStatus']),
    retained === undefined ? undefined : `${retained} bytes of log are kept for it`,
    used === undefined ? undefined : `${Math.floor(used * 100)} % of what the server keeps at most`,
  ];
  return `${name}: ${parts.filter((part) => part !== undefined).join(', ')}`;
}

function stoppedOf(stopped: Readonly<Record<string, unknown>>): readonly StoppedStatus[] {
  return Object.entries(stopped).map(([table, entry]) => {
    const stop = toObject(entry);
    return { table, reason: describeError(stop) ?? '', remedy: toText(stop['remedy']) ?? '', passedOver: toNumber(stop['passedOver']) ?? 0 };
  });
}

function describeError(error: Readonly<Record<string, unknown>>): string | undefined {
  const parts = [toText(error['code']), toText(error['message'])].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(': ');
}

function toObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function toNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
