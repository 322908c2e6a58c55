import type { Signal, SnapshotProgress, SnapshotRequest, TableProgress } from '../../shared/connector/source.ts';

/** Requests that are over and still shown. */
const KEPT = 20;

/** What a source found when it looked at a signal. `anew`: those of the tables that had stopped. */
export type Verdict = { readonly tables: readonly string[]; readonly anew?: readonly string[] | undefined } | { readonly refused: string };

/** The progress after a signal: with an answer to it, its place noted, and what can begin at once begun. */
export function applySignal(progress: SnapshotProgress, signal: Signal, verdict: Verdict, nowMs: number): SnapshotProgress {
  const noted = { ...progress, nextSignal: signal.offset + 1 };
  const { id, type, where, keys } = signal;
  const answer = { id, type, where, rows: 0, takenAtMs: nowMs };
  if ('refused' in verdict) return withRequest(noted, { ...answer, state: 'refused', tables: signal.tables, reason: verdict.refused });
  if (type === 'snapshot')
    return startWaiting(withRequest(beginAnew(noted, verdict.anew), { ...answer, ...keysOf(keys), ...verdict, state: 'waiting', reason: null }));
  const done = withRequest(noted, { ...answer, state: 'done', tables: [], reason: null });
  return type === 'stop' ? stopRequests(done) : { ...done, isPaused: type === 'pause' };
}

/** As a first snapshot, which no stop of requests ends: the topics have a gap until it is whole. */
function beginAnew(progress: SnapshotProgress, names: readonly string[] = []): SnapshotProgress {
  const table: TableProgress = { state: 'running', rows: 0, expectedRows: 0, rest: null, startsOver: true, note: null };
  return names.length === 0 ? progress : { ...progress, tables: { ...progress.tables, ...Object.fromEntries(names.map((name) => [name, table])) } };
}

/** The progress with a part of a table that is to be read; as it was where that was asked for before. */
export function addPart(
  progress: SnapshotProgress,
  { id, table, where }: { readonly id: string; readonly table: string; readonly where: string | null },
  nowMs: number,
) {
  if (progress.requests?.some((request) => request.id === id) === true) return progress;
  const request = { id, type: PART, state: 'waiting', tables: [table], where, rows: 0, reason: null, takenAtMs: nowMs } as const;
  return startWaiting(withRequest(progress, request));
}

/** The type of a request that is the source's own. */
const PART = 'partition';

function keysOf(keys: Signal['keys'] | undefined): Pick<SnapshotRequest, 'keys'> {
  return keys === undefined || keys.length === 0 ? {} : { keys };
}

/** The progress of one table, and of the request that it may be read for. */
export function withTable(progress: SnapshotProgress, name: string, table: TableProgress): SnapshotProgress {
  const next = { ...progress, tables: { ...progress.tables, [name]: table } };
  if (table.state !== 'done') return next;
  return table.request === undefined ? startWaiting(next) : endTable(next, name, table);
}

export function openTables(progress: SnapshotProgress): readonly string[] {
  return Object.entries(progress.tables).flatMap(([name, { state }]) => (state === 'done' ? [] : [name]));
}

function withRequest(progress: SnapshotProgress, request: SnapshotRequest): SnapshotProgress {
  const requests = [...(progress.requests ?? []), request];
  const surplus = requests.length - KEPT;
  return { ...progress, requests: requests.filter((other, place) => place >= surplus || isOpen(other)) };
}

function isOpen({ state }: SnapshotRequest): boolean {
  return state === 'waiting' || state === 'running';
}

/** A request begins when none of its tables is being read for anything else. */
function startWaiting(progress: SnapshotProgress): SnapshotProgress {
  let next = progress;
  for (const request of progress.requests ?? []) {
    if (request.state !== 'waiting' || request.tables.some((name) => (next.tables[name]?.state ?? 'done') !== 'done')) continue;
    const [anew, again] = [request.anew ?? [], request.tables.filter((name) => request.anew?.includes(name) !== true)];
    const rows = anew.reduce((sum, name) => sum + (next.tables[name]?.rows ?? 0), request.rows);
    const tables = Object.fromEntries(again.map((name) => [name, beginning(next.tables[name], request)]));
    next = { ...changed(next, { ...request, rows, state: again.length === 0 ? 'done' : 'running' }), tables: { ...next.tables, ...tables } };
  }
  return next;
}

function beginning(before: TableProgress | undefined, { id, type, where, keys }: SnapshotRequest): TableProgress {
  const { expectedRows = 0, note = null } = before ?? {};
  const isKnown = before !== undefined;
  return {
    state: 'running',
    rows: 0,
    expectedRows,
    rest: null,
    startsOver: false,
    note,
    request: isKnown ? id : `${NEW}${id}`,
    ...(where === null ? {} : { where }),
    ...keysOf(keys),
    ...(type === PART ? { isPart: true } : {}),
  };
}

/** Marks a table that had no snapshot: a part of it does not make it one. */
const NEW = 'new ';

function endTable(progress: SnapshotProgress, name: string, table: TableProgress): SnapshotProgress {
  const { request: mark = '', where, keys } = table;
  const isNew = mark.startsWith(NEW);
  const { [name]: _, ...others } = progress.tables;
  const tables = isNew && (where !== undefined || keys !== undefined) ? others : { ...progress.tables, [name]: withoutRequest(table) };
  const request = progress.requests?.find(({ id, state }) => id === requestOf(table) && state === 'running');
  if (request === undefined) return startWaiting({ ...progress, tables });
  const isLast = request.tables.every((other) => (tables[other]?.state ?? 'done') === 'done');
  return startWaiting({ ...changed(progress, { ...request, rows: request.rows + table.rows, state: isLast ? 'done' : 'running' }), tables });
}

/** Ends what was asked for; a table's first snapshot goes on. */
function stopRequests(progress: SnapshotProgress): SnapshotProgress {
  let next = progress;
  for (const request of progress.requests ?? []) if (isOpen(request)) next = endRequest(next, { ...request, state: 'stopped' });
  return next;
}

/** The progress after a request that cannot be done; of which table it is told. */
export function refuseTable(progress: SnapshotProgress, name: string, reason: string): SnapshotProgress {
  const request = progress.requests?.find(
    (other) => isOpen(other) && (other.anew?.includes(name) === true || (other.state === 'running' && other.id === requestOf(progress.tables[name]))),
  );
  return request === undefined ? progress : startWaiting(endRequest(progress, { ...request, state: 'refused', reason }));
}

function endRequest(progress: SnapshotProgress, request: SnapshotRequest): SnapshotProgress {
  const kept = Object.entries(progress.tables).flatMap(([name, table]): [string, TableProgress][] => {
    if (requestOf(table) !== request.id) return [[name, table]];
    return table.request?.startsWith(NEW) === true ? [] : [[name, { ...withoutRequest(table), state: 'done', rest: [] }]];
  });
  return { ...changed(progress, request), tables: Object.fromEntries(kept) };
}

function withoutRequest({ request: _request, where: _where, keys: _keys, isPart: _isPart, ...rest }: TableProgress): TableProgress {
  return rest;
}

function requestOf(table: TableProgress | undefined): string | undefined {
  const mark = table?.request;
  return mark?.startsWith(NEW) === true ? mark.slice(NEW.length) : mark;
}

function changed(progress: SnapshotProgress, request: SnapshotRequest): SnapshotProgress {
  const { keys: _keys, ...over } = request;
  const next = isOpen(request) ? request : over;
  return { ...progress, requests: progress.requests?.map((other) => (other.id === request.id && isOpen(other) ? next : other)) };
}
