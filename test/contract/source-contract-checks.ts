import { describe, expect, test } from 'vitest';
import type { Source } from '../../shared/connector/source.ts';
import { NOTHING, type OpenBench } from './source-contract-bench.ts';

/** What a source says before it starts. */
export function describeChecks(open: OpenBench): void {
  describe('check and set-up', () => {
    test('a healthy database has no error, before and after it was set up', async () => {
      await using bench = await open('t');
      const errors = async (source: Source) => (await source.validate()).filter(({ severity }) => severity === 'error');
      const source = bench.harness.createSource(['t'], {});
      expect(await errors(source)).toEqual([]);
      await source.setup(NOTHING);
      expect(await errors(source)).toEqual([]);
    });

    test('a table that is not there is a finding with a remedy, not a failure of the check', async () => {
      await using bench = await open('t');
      const findings = await bench.harness.createSource(['t', 'nothing'], {}).validate();
      expect(findings).toMatchObject([{ severity: 'error', code: 'TABLE_NOT_FOUND', remedy: expect.stringMatching(/./) as string }]);
    });

    test('asking for the tables and setting up, once and again, give the same tables, with their columns and keys', async () => {
      await using bench = await open('t', 'u');
      const source = bench.harness.createSource(['t', 'u'], {});
      const before = await source.tables();
      const [first, second] = [await source.setup(NOTHING), await source.setup(NOTHING)];
      expect(first.map((table) => [table.name, table.columns.map((column) => column.name), table.keyColumns.map((column) => column.name)])).toEqual([
        ['t', ['id', 'v'], ['id']],
        ['u', ['id', 'v'], ['id']],
      ]);
      expect(before.map(({ fingerprint }) => fingerprint)).toEqual(first.map(({ fingerprint }) => fingerprint));
      expect(second.map(({ fingerprint }) => fingerprint)).toEqual(first.map(({ fingerprint }) => fingerprint));
    });
  });
}
