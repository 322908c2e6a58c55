import { parseArgs } from 'node:util';
import { startVitest, type TestModule, type Vitest } from 'vitest/node';

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** `npm test`: unit, integration and acceptance tests, in this order, against one local stack. */
async function main(): Promise<void> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { project: { type: 'string', multiple: true } } });
  const options = { run: true, watch: false, ...(values.project === undefined ? {} : { project: values.project }) };
  const vitest = await startVitest('test', positionals, options);
  const totals = sum(vitest);
  const isGreen = totals.failed === 0 && totals.passed > 0;
  await vitest.close();
  process.stdout.write(`${describe(totals)}\n`);
  process.exit(isGreen ? 0 : 1);
}

/** A file that could not be loaded and an error outside of any test count as a failed test each. */
function sum(vitest: Vitest): Totals {
  const totals: Totals = { passed: 0, failed: vitest.state.getUnhandledErrors().length, skipped: 0 };
  for (const module of vitest.state.getTestModules()) addModule(totals, module);
  return totals;
}

function addModule(totals: Totals, module: TestModule): void {
  let isEmpty = true;
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    totals[state === 'pending' ? 'failed' : state]++;
    isEmpty = false;
  }
  const hasOwnError = module.errors().length > 0 || [...module.children.allSuites()].some((suite) => suite.errors().length > 0);
  if (hasOwnError || (isEmpty && module.state() === 'failed')) totals.failed++;
}

function describe({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;
}

await main();
