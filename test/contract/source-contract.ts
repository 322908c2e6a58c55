import { describe } from 'vitest';
import { SourceBench, type SourceHarness } from './source-contract-bench.ts';
import { describeChecks } from './source-contract-checks.ts';
import { describeRestarts } from './source-contract-restarts.ts';
import { describeSnapshot } from './source-contract-snapshot.ts';
import { describeStream } from './source-contract-stream.ts';

export type { HarnessChange, SourceHarness } from './source-contract-bench.ts';

/** The promises of `shared/connector/source.ts`, for any source, against its real database. */
export function describeSourceContract(name: string, openHarness: () => Promise<SourceHarness>): void {
  const open = async (...tables: readonly string[]) => SourceBench.open(openHarness, ...tables);

  describe(`${name} keeps the contract of sources`, () => {
    describeChecks(open);
    describeStream(open);
    describeRestarts(open);
    describeSnapshot(open);
  });
}
