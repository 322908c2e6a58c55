import { openHarness } from '../../test/contract/clickhouse-harness.ts';
import { describeSinkContract } from '../../test/contract/sink-contract.ts';

describeSinkContract({ name: 'clickhouse', open: openHarness, nullArray: '[]' });
