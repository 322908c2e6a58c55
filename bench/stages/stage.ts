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
}

/** One way to take a workload out of the log. */
export interface Stage {
  readonly name: string;
  readonly about: string;
  run(input: StageInput): Promise<StageResult>;
}
