import { Row } from './row.ts';
import type { TableSchema } from './table-schema.ts';

/** What a row weighs in memory beside its bytes. */
const PLACE_BYTES = 8;

/** Rows that lie one behind the other in the same memory, and where each of them ends. */
interface Page {
  readonly bytes: Buffer;
  readonly start: number;
  readonly ends: number[];
}

/**
 * Many rows of one table, kept as bytes: a row's object is made when it is come to, and need not live longer than that.
 * Rows that wait, for a mark of the log or for the broker, would otherwise be copied from generation to generation by
 * the garbage collector.
 */
export class RowPages implements Iterable<Row> {
  readonly table: TableSchema;
  readonly #pages: Page[] = [];
  #page: Page | undefined;
  #length = 0;
  #byteLength = 0;

  constructor(table: TableSchema) {
    this.table = table;
  }

  /** How many rows there are. */
  get length(): number {
    return this.#length;
  }

  /** What they weigh in memory. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Takes a row as a writer has ended it: behind the row before it, or at the beginning of other memory. */
  add(bytes: Buffer, start: number, end: number): void {
    if (this.#page?.bytes !== bytes) this.#page = this.#newPage(bytes, start);
    this.#page.ends.push(end);
    this.#length++;
    this.#byteLength += end - start + PLACE_BYTES;
  }

  *[Symbol.iterator](): Generator<Row, void> {
    for (const { bytes, start, ends } of this.#pages) {
      let at = start;
      for (let index = 0; index < ends.length; index++) {
        const end = ends[index] as number;
        yield new Row(this.table, bytes, at, end, null);
        at = end;
      }
    }
  }

  #newPage(bytes: Buffer, start: number): Page {
    const page = { bytes, start, ends: [] };
    this.#pages.push(page);
    return page;
  }
}
