import { ChangePacker, KIND_CODES, NO_ROW, type PackedChanges } from './packed-changes.ts';
import { formatPosition } from './position.ts';
import { type ChangeRecord, isChange, type Records } from './record.ts';
import type { Row } from './row.ts';
import { RowWriter } from './row-writer.ts';
import type { TableSchema } from './table-schema.ts';

/** The changes among records that are objects: as they come packed from the topics, in memory of their own. Others are left out. */
export function packRecords(records: Records): PackedChanges {
  const changes = [...records].filter(isChange);
  const memory = new Memory();
  const placed = changes.map((record) => ({ record, change: placeIn(memory, record) }));
  const bytes = memory.whole();
  const packer = new ChangePacker(changes.length);
  for (const { record, change } of placed) packer.add(record.table, bytes, change);
  return packer.finish();
}

function placeIn(memory: Memory, record: ChangeRecord) {
  const [before, after] = record.kind === 'truncate' ? [null, null] : [record.before, record.after];
  return {
    kind: KIND_CODES[record.kind],
    beforeStart: before === null ? NO_ROW : memory.add(before),
    beforeEnd: memory.length,
    afterStart: after === null ? NO_ROW : memory.add(after),
    afterEnd: memory.length,
    positionAt: memory.write(record.table, (writer) => writer.string(formatPosition(record.position))),
    committedAt: memory.write(record.table, (writer) => writer.long(record.committedAtMicros)),
    version: record.version,
    unchanged: after?.unchanged ?? null,
  };
}

/** Bytes, one after the other. */
class Memory {
  length = 0;
  readonly #parts: Buffer[] = [];

  /** Gives where it begins. */
  add({ bytes, start, end }: Pick<Row, 'bytes' | 'start' | 'end'>): number {
    this.#parts.push(bytes.subarray(start, end));
    this.length += end - start;
    return this.length - (end - start);
  }

  write(table: TableSchema, write: (writer: RowWriter) => void): number {
    const writer = new RowWriter(64);
    writer.begin();
    write(writer);
    return this.add(writer.end(table, null));
  }

  whole(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
