import { createRequire } from 'node:module';
import { join } from 'node:path';
import { EngineError, engineErrorOf, type Outcome } from './answer.ts';
import { quoted, readFromFile, type Statement } from './statement.ts';

/** The part of chdb's native module that is used; every call runs on a connection of its own. */
interface Native {
  CreateConnection(folder: string): object;
  CloseConnection(connection: object): void;
  QueryAsyncConnection(connection: object, sql: string, format: string): Promise<NativeResult>;
  InsertRawAsyncConnection(connection: object, sql: string, rows: Buffer, countLines: boolean): Promise<NativeInsert>;
}

interface NativeResult {
  readonly bytes: Uint8Array;
  readonly elapsed: number;
  readonly rowsRead: number;
  readonly bytesRead: number;
}

interface NativeInsert {
  readonly elapsed: number;
  readonly rowsWritten: number;
  readonly bytesWritten: number;
}

export interface Execution {
  readonly statement: Statement;
  readonly database: string;
  readonly settings: ReadonlyMap<string, string>;
  readonly params: ReadonlyMap<string, string>;
  readonly format: string;
  /** Where the rows of an INSERT lie that come behind its text. */
  readonly dataFile: string | undefined;
}

const NO_BYTES = Buffer.alloc(0);

/**
 * ClickHouse in this process. One statement at a time: the engine mixes up the parameters of two that run at once.
 * Each gets a connection of its own, so settings and parameters end with it (0.5 ms, measured).
 */
export class Engine {
  readonly #native: Native;
  readonly #folder: string;
  /** Open as long as the engine is: with the last connection it would shut down. */
  readonly #keeper: object;
  #last: Promise<unknown> = Promise.resolve();

  /** @param chdbFolder the installed `chdb` package; its loader finds the library for this machine. */
  constructor(chdbFolder: string, dataFolder: string) {
    const load = createRequire(join(chdbFolder, 'package.json'));
    const loader = load(join(chdbFolder, 'dist', 'loader.js')) as { loadNative(): Native };
    this.#native = loader.loadNative();
    this.#folder = dataFolder;
    this.#keeper = this.#native.CreateConnection(dataFolder);
  }

  async version(): Promise<string> {
    const result = await this.#native.QueryAsyncConnection(this.#keeper, 'SELECT version()', 'TSV');
    return Buffer.from(result.bytes).toString().trim();
  }

  /** Rejects with an `EngineError` for whatever the engine refuses. */
  async run(execution: Execution): Promise<Outcome> {
    const result = this.#last.then(async () => this.#runAlone(execution));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Resolves when the statement in hand is done and the data is closed. */
  async close(): Promise<void> {
    await this.#last;
    this.#native.CloseConnection(this.#keeper);
  }

  async #runAlone(execution: Execution): Promise<Outcome> {
    refuseWhatServersRefuse(execution.statement);
    const connection = this.#native.CreateConnection(this.#folder);
    try {
      for (const sql of preparations(execution)) await this.#native.QueryAsyncConnection(connection, sql, 'Null');
      return await this.#execute(connection, execution);
    } catch (error) {
      throw engineErrorOf(error);
    } finally {
      this.#native.CloseConnection(connection);
    }
  }

  async #execute(connection: object, { statement, format, dataFile }: Execution): Promise<Outcome> {
    if (statement.kind === 'insert' && dataFile === undefined) {
      // Only the call for raw rows tells how many were written; these come out of the statement itself.
      const done = await this.#native.InsertRawAsyncConnection(connection, statement.text, NO_BYTES, false);
      return {
        bytes: NO_BYTES,
        elapsedSeconds: done.elapsed,
        readRows: done.rowsWritten,
        readBytes: done.bytesWritten,
        writtenRows: done.rowsWritten,
        writtenBytes: done.bytesWritten,
      };
    }
    const sql = dataFile === undefined ? statement.text : readFromFile(statement, dataFile);
    const done = await this.#native.QueryAsyncConnection(connection, sql, format);
    const [writtenRows, writtenBytes] = dataFile === undefined ? [0, 0] : [done.rowsRead, done.bytesRead];
    return { bytes: done.bytes, elapsedSeconds: done.elapsed, readRows: done.rowsRead, readBytes: done.bytesRead, writtenRows, writtenBytes };
  }
}

function refuseWhatServersRefuse(statement: Statement): void {
  if (statement.kind === 'empty') throw new EngineError(62, 'SYNTAX_ERROR', 'Syntax error: failed at position 1 (end of query): Empty query.');
  if (statement.kind === 'multiple')
    throw new EngineError(62, 'SYNTAX_ERROR', 'Syntax error (Multi-statements are not allowed): failed after the first semicolon.');
}

/** The statements that put a fresh connection into the state that the request asks for. */
export function preparations({ database, settings, params }: Pick<Execution, 'database' | 'settings' | 'params'>): string[] {
  const assignments = [...settings, ...[...params].map(([name, value]): [string, string] => [`param_${name}`, value])];
  for (const [name] of assignments) {
    if (!/^\w+$/.test(name)) throw new EngineError(115, 'UNKNOWN_SETTING', `Unknown setting '${name}'`);
  }
  const statements = database === '' ? [] : [`USE \`${database.replace(/[\\`]/g, '\\$&')}\``];
  if (assignments.length > 0) statements.push(`SET ${assignments.map(([name, value]) => `${name} = ${quoted(value)}`).join(', ')}`);
  return statements;
}
