/** The database that a source reads, and where it writes. */
export interface SourceInput {
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  readonly registryUrl: string;
  readonly slot: string;
  readonly publication: string;
}

/** Where and how one run of a stage reads its workload. */
export interface StageInput extends SourceInput {
  readonly endOfLog: string;
  readonly tables: readonly string[];
  readonly changes: number;
  readonly deletes: number;
  /** A name that no other run has: prefix of its topics. */
  readonly runName: string;
}

export interface StageResult {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  /** Before `seconds` began, where that is told apart. */
  readonly startSeconds?: number;
  /** Of a peer. */
  readonly config?: Readonly<Record<string, string>>;
}

/** A result with its rates. */
export interface Rate extends StageResult {
  readonly changesPerSecond: number;
  readonly changesPerCpuSecond: number;
}

export function toRate(changes: number, result: StageResult): Rate {
  return { ...result, changesPerSecond: Math.round(changes / result.seconds), changesPerCpuSecond: Math.round(changes / result.cpuSeconds) };
}

/** One way to take a workload out of the log. */
export interface Stage {
  readonly name: string;
  readonly about: string;
  run(input: StageInput): Promise<StageResult>;
}
