import { CdcError } from '../errors/cdc-error.ts';
import { PackedRuns } from './packed-runs.ts';
import { parsePosition, type SourcePosition } from './position.ts';
import type { ChangeRecord, RowKind, RowRecord } from './record.ts';
import { Row } from './row.ts';
import { RowReader } from './row-reader.ts';
import type { TableSchema } from './table-schema.ts';

const KINDS: readonly ChangeRecord['kind'][] = ['insert', 'update', 'delete', 'read', 'truncate'];
/** What stands for each kind in `PackedNumbers.kinds`. */
export const KIND_CODES = { insert: 0, update: 1, delete: 2, read: 3, truncate: 4 } as const satisfies Record<ChangeRecord['kind'], number>;

/** Places a change, in this order: its old row, its new one, its position (text), and when it was committed (long). */
export const PLACES = 6;
export const BEFORE_START = 0;
export const BEFORE_END = 1;
export const AFTER_START = 2;
export const AFTER_END = 3;
const POSITION_AT = 4;
const COMMITTED_AT = 5;
/** Stands for a start where there is no such row. */
export const NO_ROW = -1;

/** One change as `ChangePacker` takes it; its owner uses one of them again and again. */
export interface UnpackedChange {
  kind: number;
  beforeStart: number;
  beforeEnd: number;
  afterStart: number;
  afterEnd: number;
  positionAt: number;
  committedAt: number;
  version: number;
  unchanged: readonly number[] | null;
}

/** What is kept of changes beside their bytes: numbers, at the place of each change. */
interface PackedNumbers {
  readonly kinds: Uint8Array;
  /** `PLACES` a change. */
  readonly places: Int32Array;
  readonly versions: Float64Array;
  /** Of the few changes that have any. */
  readonly unchanged: Map<number, readonly number[]>;
}

/** Changes of one table whose bytes lie in the same memory: those at the places from `from` to before `end`. */
export interface ChangeRun {
  readonly table: TableSchema;
  readonly bytes: Buffer;
  readonly numbers: PackedNumbers;
  readonly from: number;
  readonly end: number;
}

/**
 * Changes in the order of their topic, as the bytes that they came in and some forty bytes of numbers each.
 *
 * Tens of thousands of them wait while a batch gathers: two objects each would be copied from generation to generation by
 * the garbage collector. Whoever walks them gets a record at a time, made when it is come to; those to whom that is too
 * dear walk `runs`.
 */
export class PackedChanges extends PackedRuns<ChangeRun, ChangeRecord> {
  static join(parts: readonly PackedChanges[]): PackedChanges {
    return new PackedChanges(parts.flatMap(({ runs }) => runs));
  }

  /** Whether a change of that kind (`KIND_CODES`) is among them. */
  has(kind: number): boolean {
    return this.runs.some(({ numbers, from, end }) => numbers.kinds.subarray(from, end).includes(kind));
  }

  slice(start: number, end = this.length): PackedChanges {
    const runs: ChangeRun[] = [];
    let before = 0;
    for (const run of this.runs) {
      const from = run.from + Math.max(0, start - before);
      const stop = Math.min(run.end, run.from + end - before);
      if (from < stop) runs.push({ ...run, from, end: stop });
      before += run.end - run.from;
    }
    return new PackedChanges(runs);
  }

  /** Parts of one table each, in order: nearly always one, for a table is another one only when its schema has changed. */
  byTable(): readonly PackedChanges[] {
    const parts: ChangeRun[][] = [];
    for (const run of this.runs) {
      const part = parts.at(-1);
      if (part?.[0]?.table === run.table) part.push(run);
      else parts.push([run]);
    }
    return parts.map((runs) => new PackedChanges(runs));
  }

  protected override unpack(run: ChangeRun, place: number): ChangeRecord {
    return recordAt(run, place);
  }
}

/** Gathers changes, as many as it was made for at most. */
export class ChangePacker {
  readonly #numbers: PackedNumbers;
  readonly #runs: ChangeRun[] = [];
  #from = 0;
  #length = 0;
  #table: TableSchema | undefined;
  #bytes: Buffer | undefined;

  constructor(most: number) {
    this.#numbers = { kinds: new Uint8Array(most), places: new Int32Array(most * PLACES), versions: new Float64Array(most), unchanged: new Map() };
  }

  get length(): number {
    return this.#length;
  }

  add(table: TableSchema, bytes: Buffer, change: UnpackedChange): void {
    if (bytes !== this.#bytes || table !== this.#table) this.#endRun(table, bytes);
    const { kinds, places, versions, unchanged } = this.#numbers;
    const place = this.#length++;
    const at = place * PLACES;
    kinds[place] = change.kind;
    versions[place] = change.version;
    places[at] = change.beforeStart;
    places[at + BEFORE_END] = change.beforeEnd;
    places[at + AFTER_START] = change.afterStart;
    places[at + AFTER_END] = change.afterEnd;
    places[at + POSITION_AT] = change.positionAt;
    places[at + COMMITTED_AT] = change.committedAt;
    if (change.unchanged !== null) unchanged.set(place, change.unchanged);
  }

  finish(): PackedChanges {
    this.#endRun(undefined, undefined);
    return new PackedChanges(this.#runs);
  }

  #endRun(table: TableSchema | undefined, bytes: Buffer | undefined): void {
    if (this.#table !== undefined && this.#bytes !== undefined && this.#length > this.#from)
      this.#runs.push({ table: this.#table, bytes: this.#bytes, numbers: this.#numbers, from: this.#from, end: this.#length });
    this.#from = this.#length;
    this.#table = table;
    this.#bytes = bytes;
  }
}

/** The change at a place of a run. */
export function recordAt({ table, bytes, numbers }: ChangeRun, place: number): ChangeRecord {
  const { places } = numbers;
  const kind = KINDS[numbers.kinds[place] as number] as ChangeRecord['kind'];
  const version = numbers.versions[place] as number;
  const at = place * PLACES;
  const [positionAt, committedAt] = [places[at + POSITION_AT] as number, places[at + COMMITTED_AT] as number];
  if (kind === 'truncate') return { kind, table, position: positionIn(bytes, positionAt), committedAtMicros: longIn(bytes, committedAt), version };
  const [beforeStart, afterStart] = [places[at + BEFORE_START] as number, places[at + AFTER_START] as number];
  const unchanged = numbers.unchanged.size === 0 ? null : (numbers.unchanged.get(place) ?? null);
  const before = beforeStart === NO_ROW ? null : new Row(table, bytes, beforeStart, places[at + BEFORE_END] as number, null);
  const after = afterStart === NO_ROW ? null : new Row(table, bytes, afterStart, places[at + AFTER_END] as number, unchanged);
  return new PackedRow(kind, before, after, { positionAt, committedAt, version });
}

/** A row record that reads its position and its time only when it is asked for them: sinks want those of a batch's last one. */
class PackedRow implements RowRecord {
  readonly kind: RowKind;
  readonly before: Row | null;
  readonly after: Row | null;
  readonly version: number;
  readonly #positionAt: number;
  readonly #committedAt: number;

  constructor(
    kind: RowKind,
    before: Row | null,
    after: Row | null,
    { positionAt, committedAt, version }: { readonly positionAt: number; readonly committedAt: number; readonly version: number },
  ) {
    this.kind = kind;
    this.before = before;
    this.after = after;
    this.version = version;
    this.#positionAt = positionAt;
    this.#committedAt = committedAt;
  }

  get table(): TableSchema {
    return this.#image.table;
  }

  get position(): SourcePosition {
    return positionIn(this.#image.bytes, this.#positionAt);
  }

  get committedAtMicros(): number {
    return longIn(this.#image.bytes, this.#committedAt);
  }

  get #image(): Row {
    return this.after ?? (this.before as Row);
  }
}

function longIn(bytes: Buffer, at: number): number {
  return Number(new RowReader(bytes, at).long());
}

function positionIn(bytes: Buffer, at: number): SourcePosition {
  const position = parsePosition(new RowReader(bytes, at).string());
  if (position === undefined) throw new CdcError('PARSE_FAILED', 'A record has no position that can be read.');
  return position;
}
