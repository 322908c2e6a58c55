import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';
import type { RangeProgress } from '../../shared/connector/source.ts';
import { ChunkWindow, type WindowLimits } from '../../sources/snapshot/chunk-window.ts';
import { RangeQueue } from '../../sources/snapshot/range-queue.ts';
import { type ReadUnderWay, ReadsUnderWay } from '../../sources/snapshot/reads-under-way.ts';

/** One row of the table of this model: `id` 0 to 9, a small value, a large one that updates may leave as it is, and where it lies. */
type RowState = readonly [v: number, big: string, place: number];
type State = ReadonlyMap<number, RowState>;

type Change =
  | { readonly kind: 'put'; readonly id: number; readonly v: number; readonly big: string; readonly place: number; readonly isBigSent: boolean }
  | { readonly kind: 'delete'; readonly id: number }
  | { readonly kind: 'truncate' };

interface Transaction {
  readonly kind: 'transaction';
  readonly xid: number;
  readonly changes: readonly Change[];
  readonly keys: ReadonlySet<number>;
  isVisible: boolean;
}

interface Chunk {
  readonly kind: 'mark';
  readonly worker: Worker;
  readonly rows: readonly Row[];
  readonly seen: ReadonlySet<number>;
  readonly last: number | undefined;
  readonly isLast: boolean;
}

/** With at most one chunk in flight, in one of its four stages: announced, read, marked in the log, published. */
interface Worker {
  range: RangeProgress | undefined;
  underWay: ReadUnderWay | undefined;
  chunk: Chunk | undefined;
  isMarked: boolean;
}

export interface SimulationOptions {
  readonly limits?: WindowLimits | undefined;
  readonly workers?: number;
  /** `file`: in the order of the rows' places, which change with each update; then updates leave nothing out. */
  readonly order?: 'key' | 'file';
}

const KEYS = 10;
const CHUNK_ROWS = 2;
/** Rows from before the log begins. */
const BEFORE = Array.from({ length: 7 }, (_, id): [number, RowState] => [id, [0, `old ${id}`, id]]);
const RANGES: readonly RangeProgress[] = [
  { of: 'x', after: null, end: ['2'] },
  { of: 'x', after: ['2'], end: ['4'] },
  { of: 'x', after: ['4'], end: null },
];

/**
 * A database, its log, a snapshot with a few chunks in flight, and a target, in a few maps: for trying every order in
 * which they can meet. As in PostgreSQL a commit is in the log before queries see it, and until they do, nobody else can
 * change the same rows. Each step does one of the things that are possible, by a number.
 */
export class SimulatedSnapshot {
  /** Rows that were published at a mark and were not what the table held there. */
  readonly staleRows: string[] = [];
  readonly #schema: TableSchema;
  readonly #window: ChunkWindow;
  readonly #log: (Transaction | Chunk)[] = [];
  readonly #transactions: Transaction[] = [];
  readonly #target = new Map<number, [Value, Value]>();
  /** The table as the log has told of it, up to where the stream is. */
  readonly #atStream = new Map(BEFORE);
  #streamed = 0;
  readonly #queue = new RangeQueue(RANGES);
  readonly #underWay = new ReadsUnderWay();
  readonly #workers: readonly Worker[];
  readonly #isFile: boolean;
  #serial = 0;

  constructor(schema: TableSchema, { limits, workers = 1, order = 'key' }: SimulationOptions) {
    this.#schema = schema;
    this.#window = new ChunkWindow(limits);
    this.#workers = Array.from({ length: workers }, () => ({ range: undefined, underWay: undefined, chunk: undefined, isMarked: false }));
    this.#isFile = order === 'file';
  }

  step(choice: number): void {
    const worker = this.#workers[(choice >> 3) % this.#workers.length] as Worker;
    const actions = [
      () => this.#commit(choice),
      () => this.#show(choice),
      () => this.#announce(worker),
      () => this.#read(worker),
      () => this.#mark(worker),
      () => this.#stream(),
      () => this.#stream(),
      () => this.#commit(choice),
    ];
    actions[choice % actions.length]?.();
  }

  /** Lets everything come to its end. */
  finish(): void {
    for (let turn = 0; turn < 1000 && !(this.#queue.isDone && this.#streamed === this.#log.length); turn++) {
      this.#show(0);
      for (const worker of this.#workers) {
        this.#announce(worker);
        this.#read(worker);
        this.#mark(worker);
      }
      this.#stream();
    }
  }

  table(): [number, readonly [Value, Value]][] {
    const rows = [...apply(new Map(BEFORE), this.#transactions)].map(([id, [v, big]]): [number, readonly [Value, Value]] => [id, [v, big]]);
    return rows.toSorted(([a], [b]) => a - b);
  }

  target(): [number, readonly [Value, Value]][] {
    return [...this.#target].toSorted(([a], [b]) => a - b);
  }

  #commit(choice: number): void {
    const hidden = this.#transactions.filter(({ isVisible }) => !isVisible);
    if (hidden.some(({ keys }) => keys.size === KEYS)) return;
    const locked = new Set(hidden.flatMap(({ keys }) => [...keys]));
    const [id, other, kind] = [(choice >> 3) % KEYS, (choice >> 7) % KEYS, (choice >> 11) % 16];
    if (locked.has(id) || locked.has(other) || (kind === 15 && locked.size > 0)) return;
    const changes = this.#changesOf(kind, id, other);
    if (changes.length === 0) return;
    const keys = kind === 15 ? Array.from({ length: KEYS }, (_, key) => key) : [id, other];
    const transaction: Transaction = { kind: 'transaction', xid: ++this.#serial, changes, keys: new Set(keys), isVisible: false };
    this.#transactions.push(transaction);
    this.#log.push(transaction);
  }

  #changesOf(kind: number, id: number, other: number): Change[] {
    const state = apply(new Map(BEFORE), this.#transactions);
    const [row, v] = [state.get(id), ++this.#serial];
    const place = this.#freePlace(state, v);
    const insert = (key: number): Change => ({ kind: 'put', id: key, v, big: `big ${v}`, place, isBigSent: true });
    const update = (key: number, big = state.get(key)?.[1] ?? ''): Change => ({
      kind: 'put',
      id: key,
      v,
      big,
      place: place + key / 100,
      isBigSent: this.#isFile,
    });
    if (kind === 15) return [{ kind: 'truncate' }, insert(id)];
    if (row === undefined) return kind < 8 ? [insert(id)] : [insert(id), update(id, `big ${v}`)];
    if (kind < 7) return [update(id), ...(state.has(other) && other !== id ? [update(other)] : [])];
    if (kind < 9) return [insert(id)];
    if (kind < 11) return [{ kind: 'delete', id }];
    if (kind < 13 || other === id || state.has(other)) return [{ kind: 'delete', id }, insert(id)];
    return [
      { kind: 'delete', id },
      { kind: 'put', id: other, v, big: row[1], place, isBigSent: true },
    ];
  }

  /** A committed transaction becomes visible to queries, not always in the order of the commits. */
  #show(choice: number): void {
    const hidden = this.#transactions.filter(({ isVisible }) => !isVisible);
    const transaction = hidden[(choice >> 3) % Math.max(hidden.length, 1)];
    if (transaction !== undefined) transaction.isVisible = true;
  }

  /** Before the end of the file as it was, or behind it. */
  #freePlace(state: State, choice: number): number {
    const used = new Set([...state.values()].map(([, , place]) => Math.floor(place)));
    const free = Array.from({ length: 14 }, (_, place) => place).filter((place) => !used.has(place));
    return free[choice % free.length] as number;
  }

  #announce(worker: Worker): void {
    if (worker.underWay !== undefined) return;
    worker.range ??= this.#queue.take(() => undefined);
    if (worker.range !== undefined) worker.underWay = this.#underWay.begin('t');
  }

  #read(worker: Worker): void {
    const { range, underWay } = worker;
    if (range === undefined || underWay === undefined || worker.chunk !== undefined) return;
    const seen = new Set(this.#transactions.filter(({ isVisible }) => isVisible).map(({ xid }) => xid));
    this.#underWay.opened(underWay, (xid) => seen.has(xid));
    const visible = this.#transactions.filter(({ xid }) => seen.has(xid));
    const at = (id: number, place: number) => (this.#isFile ? place : id);
    const found = [...apply(new Map(BEFORE), visible)]
      .map(([id, [v, big, place]]) => ({ id, v, big, at: at(id, place) }))
      .toSorted((a, b) => a.at - b.at)
      .filter((row) => row.at > Number(range.after?.[0] ?? -1) && row.at <= Number(range.end?.[0] ?? (this.#isFile ? BEFORE.length : Infinity)));
    const taken = found.slice(0, CHUNK_ROWS);
    const rows = taken.map(({ id, v, big }) => this.#row([id, v, big]));
    worker.chunk = { kind: 'mark', worker, rows, seen, last: taken.at(-1)?.at, isLast: taken.length < CHUNK_ROWS };
    worker.isMarked = false;
  }

  #mark(worker: Worker): void {
    if (worker.chunk === undefined || worker.isMarked) return;
    worker.isMarked = true;
    this.#log.push(worker.chunk);
  }

  #stream(): void {
    const entry = this.#log[this.#streamed];
    if (entry === undefined) return;
    this.#streamed++;
    if (entry.kind === 'mark') return this.#select(entry);
    for (const change of entry.changes) this.#take(entry.xid, change);
  }

  #take(xid: number, change: Change): void {
    applyChange(this.#atStream, change);
    switch (change.kind) {
      case 'truncate':
        this.#window.truncate(xid);
        return this.#target.clear();
      case 'delete':
        this.#window.touch(xid, this.#row([change.id, null, null]));
        return void this.#target.delete(change.id);
      case 'put':
        this.#window.touch(xid, this.#row([change.id, change.v, change.isBigSent ? change.big : UNCHANGED]));
        this.#target.set(change.id, [change.v, change.isBigSent ? change.big : (this.#target.get(change.id)?.[1] ?? 'unknown')]);
    }
  }

  #select(chunk: Chunk): void {
    const { worker, last } = chunk;
    const sees = (xid: number) => chunk.seen.has(xid);
    if (worker.underWay !== undefined) this.#underWay.end(worker.underWay);
    const rows = this.#window.select(chunk.rows, sees);
    this.#window.forget(this.#underWay.seenByAll('t', sees));
    worker.chunk = worker.underWay = undefined;
    if (rows === undefined) return;
    for (const row of rows) this.#publish(row);
    const range = worker.range as RangeProgress;
    if (chunk.isLast) this.#queue.finish(range);
    worker.range = chunk.isLast ? undefined : this.#queue.advance(range, [String(last)]);
  }

  #publish(row: Row): void {
    const [id, v, big] = row.values();
    const held = this.#atStream.get(id as number);
    if (held?.[0] !== v || held?.[1] !== big) this.staleRows.push(`${String(id)}: ${String(v)}, ${String(big)}; the table has ${String(held)}`);
    this.#target.set(id as number, [v ?? null, big ?? null]);
  }

  #row(values: readonly Value[]): Row {
    return new RowWriter(64).row(this.#schema, values);
  }
}

function apply(state: Map<number, RowState>, transactions: readonly Transaction[]): State {
  for (const { changes } of transactions) for (const change of changes) applyChange(state, change);
  return state;
}

function applyChange(state: Map<number, RowState>, change: Change): void {
  if (change.kind === 'truncate') state.clear();
  else if (change.kind === 'delete') state.delete(change.id);
  else state.set(change.id, [change.v, change.big, change.place]);
}
