import type { ServiceName, StackUrls } from '../stack/service.ts';

/** What one `npm run bench` was asked for. */
export interface BenchOptions {
  readonly workload: string;
  readonly stages: string;
  readonly peers: readonly string[];
  readonly runs: number;
  /** Instead of a bench's own measure of rows, or of seconds. */
  readonly rows: number | undefined;
  /** Of a peer that would take too long for as many. */
  readonly peerRows: number | undefined;
  readonly seconds: number | undefined;
  readonly tables: number | undefined;
  readonly save: boolean;
}

export interface BenchContext {
  readonly urls: StackUrls;
  readonly options: BenchOptions;
  readonly say: (line: string) => void;
  /** Prints a table of what was found. */
  readonly print: (text: string) => void;
  /** Writes results/<name>.json where `--save` was given. */
  readonly keep: (name: string, results: unknown) => void;
}

/** One thing that can be measured, by the word that asks for it. */
export interface Bench {
  readonly name: string;
  /** For the help: a line. */
  readonly about: string;
  readonly services: readonly ServiceName[];
  run(context: BenchContext): Promise<void>;
}
