import { afterAll, beforeAll, describe } from 'vitest';
import { ContractGround, type SinkHarness } from './sink-bench.ts';
import { describeBatches, describeConnection } from './sink-contract-batches.ts';
import { describeDeletes, describeTablesWithoutKey, describeUnchangedValues } from './sink-contract-changes.ts';
import { describeRandomHistory, describeRepeats, describeTruncate } from './sink-contract-replays.ts';
import { describeChangesOfSchema, describeNames } from './sink-contract-schemas.ts';
import { describeValues } from './sink-contract-values.ts';

export type { ContractSettings, LiveRow, SinkHarness } from './sink-bench.ts';

export interface SinkContractOptions {
  readonly name: string;
  open(): Promise<SinkHarness>;
  /** What becomes of an array that is null. */
  readonly nullArray: string | null;
}

/** The promises of `shared/connector/sink.ts`, for any sink, against its real server. */
export function describeSinkContract(options: SinkContractOptions): void {
  describe(`${options.name} keeps the contract of sinks`, () => {
    const ground = new ContractGround(options.nullArray);
    beforeAll(async () => ground.enter(await options.open()));
    afterAll(async () => ground.close());

    describeConnection(ground);
    describeBatches(ground);
    describeRepeats(ground);
    describeRandomHistory(ground);
    describeTruncate(ground);
    describeUnchangedValues(ground);
    describeDeletes(ground);
    describeTablesWithoutKey(ground);
    describeChangesOfSchema(ground);
    describeNames(ground);
    describeValues(ground);
  });
}
