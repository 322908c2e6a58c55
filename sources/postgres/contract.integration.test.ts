import { openPostgresSource } from '../../test/contract/postgres-source-harness.ts';
import { describeSourceContract } from '../../test/contract/source-contract.ts';

describeSourceContract('the PostgreSQL source', openPostgresSource);
