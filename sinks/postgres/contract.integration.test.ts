import { openHarness } from '../../test/contract/postgres-harness.ts';
import { describeSinkContract } from '../../test/contract/sink-contract.ts';

describeSinkContract({ name: 'postgres', open: openHarness, nullArray: null });
