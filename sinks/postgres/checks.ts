import type { Finding } from '../../shared/connector/finding.ts';
import type { Doing, Rows, Session } from './client.ts';
import type { PostgresSinkConfig } from './config.ts';
import { quoteName, quoteText } from './identifiers.ts';

const OLDEST_VERSION = 120_000;
const DOING: Doing = { what: 'say what it is' };

type Facts = Rows[number];
type Check = (facts: Facts, config: PostgresSinkConfig) => Finding | undefined;

const CHECKS: readonly Check[] = [checkVersion, checkStandby, checkEncoding, checkSchema, checkTemporary];

/** What would keep the sink from working here, each with its remedy. Changes nothing. */
export async function checkTarget(session: Session, config: PostgresSinkConfig): Promise<readonly Finding[]> {
  const [facts] = await session.rows(DOING, buildFacts(config.schema));
  if (facts === undefined) return [];
  return CHECKS.map((check) => check(facts, config)).filter((finding) => finding !== undefined);
}

function buildFacts(schema: string): string {
  const found = `to_regnamespace(${quoteText(quoteName(schema))})`;
  return `SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS is_standby,
    current_setting('server_encoding') AS encoding, ${found} IS NOT NULL AS has_schema,
    has_schema_privilege(${found}::oid, 'USAGE') AND has_schema_privilege(${found}::oid, 'CREATE') AS may_use_schema,
    has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
    has_database_privilege(current_database(), 'TEMP') AS may_create_temporary`;
}

function checkVersion({ version }: Facts): Finding | undefined {
  if (Number(version) >= OLDEST_VERSION) return undefined;
  return {
    severity: 'error',
    code: 'SETUP_VERSION',
    message: `The target is PostgreSQL ${Math.floor(Number(version) / 10_000)}.`,
    remedy: 'PostgreSQL 12 or newer is needed.',
  };
}

function checkStandby({ is_standby }: Facts, { host }: PostgresSinkConfig): Finding | undefined {
  if (is_standby !== true) return undefined;
  return {
    severity: 'error',
    code: 'TARGET_REFUSED',
    message: `The server at ${host} is a standby: it only reads.`,
    remedy: 'Name the primary server in SINK_URL.',
  };
}

function checkEncoding({ encoding }: Facts, { database }: PostgresSinkConfig): Finding | undefined {
  if (encoding === 'UTF8') return undefined;
  return {
    severity: 'warning',
    code: 'RECORD_REJECTED',
    message: `Database ${database} has the encoding ${String(encoding)}: text with other characters will be refused.`,
    remedy: `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0; and write there.`,
  };
}

function checkSchema({ has_schema, may_use_schema, may_create_schema }: Facts, { schema, database, user }: PostgresSinkConfig): Finding | undefined {
  if (has_schema === true ? may_use_schema === true : may_create_schema === true) return undefined;
  const missing = has_schema === true ? `create tables in schema ${schema}` : `create the schema ${schema}`;
  const right = has_schema === true ? `USAGE, CREATE ON SCHEMA ${quoteName(schema)}` : `CREATE ON DATABASE ${quoteName(database)}`;
  return { severity: 'error', code: 'SETUP_GRANT_MISSING', message: `User ${user} may not ${missing}.`, remedy: `GRANT ${right} TO ${quoteName(user)};` };
}

function checkTemporary({ may_create_temporary }: Facts, { database, user }: PostgresSinkConfig): Finding | undefined {
  if (may_create_temporary === true) return undefined;
  return {
    severity: 'error',
    code: 'SETUP_GRANT_MISSING',
    message: `User ${user} may not create temporary tables, through which every batch goes.`,
    remedy: `GRANT TEMPORARY ON DATABASE ${quoteName(database)} TO ${quoteName(user)};`,
  };
}
