import { setTimeout as delay } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { PostgresBench } from '../contract/postgres-source-bench.ts';
import { type ColumnKind, type Random, SMALL_KINDS } from './column-kinds.ts';
import { buildCreate, buildDelete, buildInsert, buildMove, buildUpdate, type RandomTable, randomTables } from './random-tables.ts';

/** Rows are numbered up to here: the same ones are met again and again. */
const NUMBERS = 400;
const FIRST_ROWS = 250;
const PAUSE_MS = 15;
/** What may befall one of several writers: a deadlock, a row that went to another partition, a key that is taken, a column or label that another one just changed. */
const EXPECTED = new Set(['40001', '40P01', '23505', '42703', '55P04', '42P10', '0A000', '42804', '22P02']);

/** Records of each table (`schema.table`) that one transaction must give. */
export type Expected = ReadonlyMap<string, number>;

/**
 * Changes tables of all shapes at random, from several connections, with DDL in between; and notes what each committed
 * transaction must give on the topics. The same seed makes the same choices, not the same interleaving.
 */
export class RandomLoad {
  readonly tables: readonly RandomTable[];
  /** By the transaction's id. */
  readonly expected = new Map<string, Expected>();
  rolledBack = 0;
  schemaChanges = 0;
  readonly #bench: PostgresBench;
  /** Of columns that are added. */
  readonly #kinds: readonly ColumnKind[];
  #isOver = false;
  #columns = 0;

  /** Columns that are added meanwhile are of other kinds where that is said. */
  static async create(bench: PostgresBench, random: Random, kinds = SMALL_KINDS, addedKinds = kinds): Promise<RandomLoad> {
    const load = new RandomLoad(bench, random, kinds, addedKinds);
    await bench.query(`CREATE SCHEMA parts; CREATE TYPE mood AS ENUM ('sad', 'it''s', 'fine')`);
    for (const table of load.tables) {
      await bench.query(buildCreate(table));
      const numbers = Array.from({ length: FIRST_ROWS }, (_, n) => n);
      for (let first = 0; first < FIRST_ROWS; first += 50) await bench.query(buildInsert(table, numbers.slice(first, first + 50), random));
    }
    const names = load.tables.map(({ name }) => name).join(', ');
    await bench.query(`CREATE PUBLICATION ${bench.slot} FOR TABLE ${names} WITH (publish_via_partition_root = true)`);
    await bench.query(`SELECT pg_create_logical_replication_slot('${bench.slot}', 'pgoutput')`);
    return load;
  }

  private constructor(bench: PostgresBench, random: Random, kinds: readonly ColumnKind[], addedKinds: readonly ColumnKind[]) {
    this.#bench = bench;
    this.#kinds = addedKinds;
    this.tables = randomTables(random, kinds);
  }

  /** Writes until `stop`: one random choice each, and somebody who changes the tables. */
  async run(writers: readonly Random[], changer: Random): Promise<void> {
    await Promise.all([...writers.map(async (random) => this.#write(random)), this.#change(changer)]);
  }

  stop(): void {
    this.#isOver = true;
  }

  async #write(random: Random): Promise<void> {
    await this.#withSession(async (session) => {
      while (!this.#isOver) {
        await this.#attempt(session, new RandomTransaction(session, this.tables, random));
        await delay(PAUSE_MS);
      }
    });
  }

  /** What goes wrong ends everything; an open transaction would hold up the whole server. */
  async #withSession(work: (session: PoolClient) => Promise<void>): Promise<void> {
    const session = await this.#bench.session();
    await work(session).finally(() => {
      this.#isOver = true;
      session.release(true);
    });
  }

  async #attempt(session: PoolClient, transaction: RandomTransaction | SchemaChange): Promise<boolean> {
    try {
      const committed = await transaction.run();
      if (committed === undefined) this.rolledBack++;
      else this.expected.set(committed, transaction.expected);
      return committed !== undefined;
    } catch (error) {
      if (!EXPECTED.has(String((error as { code?: unknown }).code))) throw error;
      await session.query('ROLLBACK');
      this.rolledBack++;
      return false;
    }
  }

  async #change(random: Random): Promise<void> {
    await this.#withSession(async (session) => {
      while (!this.#isOver) {
        await delay(300 + random(700));
        const table = this.tables[random(this.tables.length)] as RandomTable;
        const change = new SchemaChange(session, { table, random, fresh: `n${this.#columns++}`, kinds: this.#kinds });
        if (await this.#attempt(session, change)) this.schemaChanges++;
      }
    });
  }
}

class RandomTransaction {
  readonly expected = new Map<string, number>();
  readonly #session: PoolClient;
  readonly #tables: readonly RandomTable[];
  readonly #random: Random;

  constructor(session: PoolClient, tables: readonly RandomTable[], random: Random) {
    this.#session = session;
    this.#tables = tables;
    this.#random = random;
  }

  /** Its id; undefined where it was rolled back. */
  async run(): Promise<string | undefined> {
    const random = this.#random;
    await this.#session.query('BEGIN');
    for (let left = 1 + random(6); left > 0; left--) {
      if (random(6) === 0) await this.#undone();
      else await this.#step();
    }
    const { rows } = await this.#session.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
    const isKept = random(10) > 0;
    await this.#session.query(isKept ? 'COMMIT' : 'ROLLBACK');
    return isKept ? rows[0]?.xid : undefined;
  }

  async #undone(): Promise<void> {
    const before = new Map(this.expected);
    await this.#session.query('SAVEPOINT s');
    await this.#step();
    if (this.#random(3) === 0) return void (await this.#session.query('RELEASE SAVEPOINT s'));
    await this.#session.query('ROLLBACK TO SAVEPOINT s');
    this.expected.clear();
    for (const [table, count] of before) this.expected.set(table, count);
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const table = this.#tables[random(this.#tables.length)] as RandomTable;
    const numbers = Array.from(new Set(Array.from({ length: 1 + random(random(8) === 0 ? 25 : 4) }, () => random(NUMBERS))));
    const [from, to] = [numbers[0] as number, NUMBERS + random(50)];
    switch (random(10)) {
      case 0:
        if (random(40) > 0) return this.#run(table, buildDelete(table, numbers), 1);
        await this.#session.query(`TRUNCATE ${table.name}`);
        return this.#count(table, 1);
      case 1:
        return this.#run(table, buildDelete(table, numbers), 1);
      case 2:
        await this.#run(table, buildDelete(table, [to]), 1);
        return this.#run(table, buildMove(table, from, to), table.isKeyless ? 1 : 2);
      case 3:
        await this.#run(table, buildMove(table, to, from), table.isKeyless ? 1 : 2);
        return this.#run(table, buildUpdate(table, [from], random), 1);
      case 4:
      case 5:
      case 6:
        return this.#run(table, buildInsert(table, numbers, random), 1);
      default:
        return this.#run(table, buildUpdate(table, numbers, random), 1);
    }
  }

  async #run(table: RandomTable, sql: string, each: number): Promise<void> {
    const { rowCount } = await this.#session.query(sql);
    this.#count(table, (rowCount ?? 0) * each);
  }

  #count({ name }: RandomTable, records: number): void {
    const table = `public.${name}`;
    if (records > 0) this.expected.set(table, (this.expected.get(table) ?? 0) + records);
  }
}

interface ChangeChoices {
  readonly table: RandomTable;
  readonly random: Random;
  /** A name that no column has had. */
  readonly fresh: string;
  /** Of columns that are added. */
  readonly kinds: readonly ColumnKind[];
}

/** One change of a table's definition, with whatever writes the rows anew that nobody downstream could know otherwise. */
class SchemaChange {
  readonly expected = new Map<string, number>();
  readonly #session: PoolClient;
  readonly #table: RandomTable;
  readonly #random: Random;
  readonly #fresh: string;
  readonly #kinds: readonly ColumnKind[];

  constructor(session: PoolClient, { table, random, fresh, kinds }: ChangeChoices) {
    this.#session = session;
    this.#table = table;
    this.#random = random;
    this.#fresh = fresh;
    this.#kinds = kinds;
  }

  async run(): Promise<string | undefined> {
    if (this.#random(8) === 0) return this.#addLabel();
    await this.#session.query('BEGIN');
    const columns = await this.#alter();
    const { rows } = await this.#session.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
    await this.#session.query('COMMIT');
    this.#table.columns = columns;
    return rows[0]?.xid;
  }

  async #addLabel(): Promise<string> {
    await this.#session.query(`ALTER TYPE mood ADD VALUE '${this.#fresh}'`);
    return `label ${this.#fresh}`;
  }

  /** The columns that the table then has. */
  async #alter(): Promise<RandomTable['columns']> {
    const { columns, name, isKeyless } = this.#table;
    const place = this.#random(columns.length);
    const column = columns[place] as RandomTable['columns'][number];
    const added = { name: this.#fresh, kind: this.#kinds[this.#random(this.#kinds.length)] as ColumnKind };
    const with_ = (changed: typeof column) => columns.map((each) => (each === column ? changed : each));
    const choice = this.#random(5);
    if (choice === 0 && !isKeyless && columns.length > 3) {
      await this.#session.query(`ALTER TABLE ${name} DROP ${column.name}`);
      return columns.filter((each) => each !== column);
    }
    if (choice === 1 && !isKeyless && column.kind.isLarge !== true) {
      await this.#session.query(`ALTER TABLE ${name} RENAME ${column.name} TO ${added.name}`);
      await this.#touch(added.name);
      return with_({ ...column, name: added.name });
    }
    if (choice === 2 && column.kind.wider !== undefined) {
      await this.#session.query(`ALTER TABLE ${name} ALTER ${column.name} TYPE ${column.kind.wider}`);
      return with_({ ...column, kind: { ...column.kind, type: column.kind.wider } });
    }
    const isFilled = choice === 3 && !isKeyless;
    await this.#session.query(`ALTER TABLE ${name} ADD ${added.name} ${added.kind.type}${isFilled ? ` DEFAULT ${added.kind.literal(this.#random)}` : ''}`);
    if (isFilled) await this.#touch(added.name);
    return [...columns, added];
  }

  async #touch(column: string): Promise<void> {
    const { rowCount } = await this.#session.query(`UPDATE ${this.#table.name} SET ${column} = ${column}`);
    if ((rowCount ?? 0) > 0) this.expected.set(`public.${this.#table.name}`, rowCount ?? 0);
  }
}
