import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { LastChanges } from '../../shared/record/last-by-key.ts';
import { AFTER_END, AFTER_START, KIND_CODES, NO_ROW, type PackedChanges, PLACES, recordAt } from '../../shared/record/packed-changes.ts';
import type { RowKind, RowRecord } from '../../shared/record/record.ts';
import type { Row } from '../../shared/record/row.ts';
import { RowReader } from '../../shared/record/row-reader.ts';
import type { PlannedColumn, TablePlan } from './plan.ts';
import { RowBinaryWriter } from './row-binary.ts';

/** Values of one row of the target in RowBinary, to be passed on; by index of the schema's column. */
export interface FetchedRow {
  readonly bytes: Buffer;
  readonly starts: ReadonlyMap<number, number>;
  readonly ends: ReadonlyMap<number, number>;
}

/** One row on its way to the target. */
export interface OutgoingRow {
  readonly kind: RowKind;
  readonly version: number;
  readonly isDeleted: boolean;
  readonly image: Row;
  /** Only its key counts: all else stays empty. */
  readonly isKeyOnly: boolean;
  /** Where unchanged values come from; null where nothing is unchanged, or the target has no such row. */
  readonly fetched: FetchedRow | null;
  /** Of a table without a key. */
  readonly rowId: number | null;
}

/** By the code of the kind (`KIND_CODES`): c, u, d, r. */
const OP_TYPES = Uint8Array.of(0x63, 0x75, 0x64, 0x72);
const META_BYTES = 11;

/** The body of an insert, and the version of each of its rows. */
export interface Encoded {
  readonly body: Buffer;
  readonly versions: Float64Array;
  /** What the body lies in: for another one, when this one is sent. */
  readonly memory: Buffer;
}

export interface EncodeOptions {
  /** Changes below it are left out. */
  readonly fromVersion: number;
  /** That of a body that was sent before, to be used again. */
  readonly memory?: Buffer | undefined;
}

/** Throws `VALUE_OUT_OF_RANGE` or `RECORD_REJECTED` where a row cannot be written as it is. */
export function encodeRows(plan: TablePlan, rows: readonly OutgoingRow[]): Encoded {
  const out = bodyOf(
    plan,
    rows.reduce((sum, { image }) => sum + image.byteLength + META_BYTES, 0),
  );
  for (const row of rows) {
    const { image, isKeyOnly, fetched } = row;
    const isPlain = !isKeyOnly && fetched === null;
    if (!isPlain || !plan.transcoder.write(out, image.bytes, image.start, image.end)) writeCells(out, plan, row);
    if (row.rowId !== null) out.int64(row.rowId);
    writeMeta(out, KIND_CODES[row.kind], row.isDeleted, row.version);
  }
  return { body: out.view(), memory: out.memory, versions: Float64Array.from(rows, ({ version }) => version) };
}

/**
 * The same of changes that say all there is to know of their rows, of a table with a key, from a version on: nothing is
 * made a row. A deleted row is its key.
 */
export function encodeChanges(plan: TablePlan, { changes, isLast, count }: LastChanges, { fromVersion, memory }: EncodeOptions): Encoded {
  const out = bodyOf(plan, bytesOf(changes), memory);
  const versions = new Float64Array(count);
  let [rows, next] = [0, 0];
  for (const run of changes.runs) {
    const { kinds, places } = run.numbers;
    for (let place = run.from; place < run.end; place++) {
      const version = run.numbers.versions[place] as number;
      if (isLast[next++] === 0 || version < fromVersion) continue;
      const [start, end] = [places[place * PLACES + AFTER_START] as number, places[place * PLACES + AFTER_END] as number];
      const isDeleted = start === NO_ROW;
      if (isDeleted || !plan.transcoder.write(out, run.bytes, start, end)) writeCells(out, plan, outgoingRow(recordAt(run, place) as RowRecord));
      writeMeta(out, kinds[place] as number, isDeleted, version);
      versions[rows++] = version;
    }
  }
  return { body: out.view(), memory: out.memory, versions: versions.subarray(0, rows) };
}

/** What their new rows come to, with ours; of a deleted one no more than its key is written. */
function bytesOf({ runs, length }: PackedChanges): number {
  let bytes = length * META_BYTES;
  for (const { numbers, from, end } of runs) {
    const { places } = numbers;
    for (let at = from * PLACES; at < end * PLACES; at += PLACES) {
      const start = places[at + AFTER_START] as number;
      if (start !== NO_ROW) bytes += (places[at + AFTER_END] as number) - start;
    }
  }
  return bytes;
}

function outgoingRow({ kind, version, after, before }: RowRecord): OutgoingRow {
  const isDeleted = after === null;
  return { kind, version, isDeleted, image: (after ?? before) as Row, isKeyOnly: isDeleted, fetched: null, rowId: null };
}

function bodyOf({ header }: TablePlan, bytes: number, memory?: Buffer): RowBinaryWriter {
  const out = new RowBinaryWriter(header.length + bytes * 1.25, memory);
  out.raw(header, 0, header.length);
  return out;
}

/** What changed it as text of one letter, whether it is deleted, and the version. */
function writeMeta(out: RowBinaryWriter, kind: number, isDeleted: boolean, version: number): void {
  const target = out.room(META_BYTES);
  const at = out.position;
  target[at] = 1;
  target[at + 1] = OP_TYPES[kind] as number;
  target[at + 2] = isDeleted ? 1 : 0;
  out.position = at + 3;
  out.int64(version);
}

/** The key columns of a row, or all columns of a table without a key. */
export function encodeIdentity(out: RowBinaryWriter, plan: TablePlan, image: Row): void {
  const reader = new RowReader(image.bytes, image.start);
  for (const [index, layout] of plan.schema.layout.entries()) {
    const column = plan.columns[index] ?? null;
    const isPresent = layout.isKey || reader.isPresent();
    const isWanted = column !== null && (plan.isKeyless || layout.isKey);
    if (isPresent && isWanted) writePresent(out, column, reader, image.bytes);
    else if (isPresent) reader.skip(layout.type);
    else if (isWanted) writeEmpty(out, column);
  }
}

function writeCells(out: RowBinaryWriter, plan: TablePlan, row: OutgoingRow): void {
  const { image, isKeyOnly } = row;
  const { layout } = plan.schema;
  const reader = new RowReader(image.bytes, image.start);
  for (let index = 0; index < layout.length; index++) {
    const { isKey, type } = layout[index] as (typeof layout)[number];
    const column = plan.columns[index] as PlannedColumn | null;
    const isPresent = isKey || reader.isPresent();
    if (column === null || (isKeyOnly && !isKey)) {
      if (isPresent) reader.skip(type);
      if (column !== null) writeEmpty(out, column);
    } else if (isPresent) writePresent(out, column, reader, image.bytes);
    else writeAbsent(out, column, row, index);
  }
}

function writePresent(out: RowBinaryWriter, column: PlannedColumn, reader: RowReader, source: Buffer): void {
  if (column.type.isNullable) out.uint8(0);
  column.write(reader, source, out);
}

/** Null, or a value that the database did not send. */
function writeAbsent(out: RowBinaryWriter, column: PlannedColumn, row: OutgoingRow, index: number): void {
  const isUnchanged = row.image.unchanged?.includes(index) === true;
  if (isUnchanged && row.fetched !== null) {
    return out.raw(row.fetched.bytes, row.fetched.starts.get(index) ?? 0, row.fetched.ends.get(index) ?? 0);
  }
  const isHeld = column.type.isNullable || column.type.name === 'Array' || isUnchanged || row.isDeleted;
  if (!isHeld) throw nullRefused(row.image, column.name);
  return writeEmpty(out, column);
}

/** Null where the column can be null, else zero, an empty text or an empty array. */
function writeEmpty(out: RowBinaryWriter, { type, emptyBytes }: PlannedColumn): void {
  if (type.isNullable) out.uint8(1);
  else out.zeros(emptyBytes);
}

function nullRefused({ table }: Row, column: string): CdcError {
  return new CdcError('RECORD_REJECTED', `Column ${column} of ${table.qualifiedName} is null, and the target's column cannot be.`, {
    context: { table: table.qualifiedName, column },
    remedy: 'Make the column Nullable in the target, or set SCHEMA_CHANGES=apply.',
  });
}
