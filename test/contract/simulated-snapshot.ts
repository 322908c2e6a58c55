import type { Row } from '../../shared/record/row.ts';
import { RowWriter } from '../../shared/record/row-writer.ts';
import type { TableSchema } from '../../shared/record/table-schema.ts';
import { UNCHANGED, type Value } from '../../shared/record/value.ts';
import { ChunkWindow, type WindowLimits } from '../../sources/snapshot/chunk-window.ts';

/** One row of the table of this model: `id` 0 to 9, a small value, and a large one that updates may leave as it is. */
type State = ReadonlyMap<number, readonly [v: number, big: string]>;

type Change =
  | { readonly kind: 'put'; readonly id: number; readonly v: number; readonly big: string; readonly isBigSent: boolean }
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
  readonly rows: readonly Row[];
  readonly seen: ReadonlySet<number>;
  readonly lastId: number;
  readonly isLast: boolean;
}

const KEYS = 10;
const CHUNK_ROWS = 3;
/** Rows from before the log begins. */
const BEFORE = Array.from({ length: 7 }, (_, id) => [id, [0, `old ${id}`]] as const);

/**
 * A database, its log, a snapshot with one chunk in flight, and a target, in a few maps: for trying every order in which
 * they can meet. As in PostgreSQL a commit is in the log before queries see it, and until they do, nobody else can
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
  #chunk: Chunk | undefined;
  #isMarked = false;
  #lastId = -1;
  #isDone = false;
  #serial = 0;

  constructor(schema: TableSchema, limits: WindowLimits | undefined) {
    this.#schema = schema;
    this.#window = new ChunkWindow(limits);
  }

  step(choice: number): void {
    const actions = [
      () => this.#commit(choice),
      () => this.#show(choice),
      () => this.#read(),
      () => this.#mark(),
      () => this.#stream(),
      () => this.#stream(),
      () => this.#commit(choice),
    ];
    actions[choice % actions.length]?.();
  }

  /** Lets everything come to its end. */
  finish(): void {
    for (let turn = 0; turn < 1000 && !(this.#isDone && this.#streamed === this.#log.length); turn++) {
      this.#show(0);
      this.#read();
      this.#mark();
      this.#stream();
    }
  }

  table(): [number, readonly [Value, Value]][] {
    return [...apply(new Map(BEFORE), this.#transactions)].toSorted(([a], [b]) => a - b);
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
    const insert = (key: number): Change => ({ kind: 'put', id: key, v, big: `big ${v}`, isBigSent: true });
    const update = (key: number, big = state.get(key)?.[1] ?? ''): Change => ({ kind: 'put', id: key, v, big, isBigSent: false });
    if (kind === 15) return [{ kind: 'truncate' }, insert(id)];
    if (row === undefined) return kind < 8 ? [insert(id)] : [insert(id), update(id, `big ${v}`)];
    if (kind < 7) return [update(id), ...(state.has(other) && other !== id ? [update(other)] : [])];
    if (kind < 9) return [insert(id)];
    if (kind < 11) return [{ kind: 'delete', id }];
    if (kind < 13 || other === id || state.has(other)) return [{ kind: 'delete', id }, insert(id)];
    return [
      { kind: 'delete', id },
      { kind: 'put', id: other, v, big: row[1], isBigSent: true },
    ];
  }

  /** A committed transaction becomes visible to queries, not always in the order of the commits. */
  #show(choice: number): void {
    const hidden = this.#transactions.filter(({ isVisible }) => !isVisible);
    const transaction = hidden[(choice >> 3) % Math.max(hidden.length, 1)];
    if (transaction !== undefined) transaction.isVisible = true;
  }

  #read(): void {
    if (this.#isDone || this.#chunk !== undefined) return;
    const visible = this.#transactions.filter(({ isVisible }) => isVisible);
    const found = [...apply(new Map(BEFORE), visible)].toSorted(([a], [b]) => a - b).filter(([id]) => id > this.#lastId);
    const rows = found.slice(0, CHUNK_ROWS);
    this.#chunk = {
      kind: 'mark',
      rows: rows.map(([id, [v, big]]) => this.#row([id, v, big])),
      seen: new Set(visible.map(({ xid }) => xid)),
      lastId: rows.at(-1)?.[0] ?? this.#lastId,
      isLast: rows.length < CHUNK_ROWS,
    };
    this.#isMarked = false;
  }

  #mark(): void {
    if (this.#chunk === undefined || this.#isMarked) return;
    this.#isMarked = true;
    this.#log.push(this.#chunk);
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
    const rows = this.#window.select(chunk.rows, (xid) => chunk.seen.has(xid));
    this.#chunk = undefined;
    if (rows === undefined) return;
    for (const row of rows) this.#publish(row);
    this.#lastId = chunk.lastId;
    this.#isDone = chunk.isLast;
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

function apply(state: Map<number, readonly [number, string]>, transactions: readonly Transaction[]): State {
  for (const { changes } of transactions) for (const change of changes) applyChange(state, change);
  return state;
}

function applyChange(state: Map<number, readonly [number, string]>, change: Change): void {
  if (change.kind === 'truncate') state.clear();
  else if (change.kind === 'delete') state.delete(change.id);
  else state.set(change.id, [change.v, change.big]);
}
