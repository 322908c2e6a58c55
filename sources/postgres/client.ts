import pg, { type Client } from 'pg';
import { CdcError, type ErrorDetails, isCdcError, toCdcError } from '../../shared/errors/cdc-error.ts';
import { toTlsError } from '../../shared/tls/tls-error.ts';
import type { PostgresSourceConfig } from './config.ts';

/**
 * The text forms that the parser reads: these are the session's, whatever the server's defaults. Without row_security
 * a query that policies would cut short fails. What we write is only marks for ourselves: no standby has to have it.
 */
const SESSION = [
  'datestyle=ISO',
  'intervalstyle=postgres',
  'timezone=UTC',
  'bytea_output=hex',
  'extra_float_digits=3',
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_in_transaction_session_timeout=0',
  'client_encoding=UTF8',
  'row_security=off',
  'synchronous_commit=local',
];

const GOODBYE_LIMIT_MS = 2000;

/** What the driver needs for one connection. */
export async function clientConfig(config: PostgresSourceConfig): Promise<pg.ClientConfig> {
  return {
    connectionString: config.connectionString,
    ssl: await config.tls.driverTls(),
    application_name: `dbmazz ${config.name}`,
    options: [...config.serverOptions, ...SESSION.map((setting) => `-c ${setting}`)].join(' '),
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    types: { getTypeParser: (oid: number, format?: 'text' | 'binary') => pg.types.getTypeParser(oid, format as 'text') } as pg.CustomTypesConfig,
  };
}

export async function connect(config: PostgresSourceConfig): Promise<Client> {
  try {
    const client = new pg.Client(await clientConfig(config));
    // A connection that breaks while nothing is asked of it shows at the next query.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  } catch (error) {
    throw toPostgresError(await config.tls.explain(error), 'connecting');
  }
}

export async function withClient<T>(config: PostgresSourceConfig, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(config);
  try {
    return await use(client);
  } catch (error) {
    throw toPostgresError(error, 'asking the source');
  } finally {
    await disconnect(client);
  }
}

/** Runs one command of the replication protocol, on a connection of its own. */
export async function runReplicationCommand(config: PostgresSourceConfig, command: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new pg.Client({ ...(await clientConfig(config)), replication: 'database' } as pg.ClientConfig);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(command)).rows;
  } finally {
    await disconnect(client);
  }
}

/** Says good-bye, and does not wait for a server that no longer answers. */
export async function disconnect(client: Client): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    resolve();
  }, GOODBYE_LIMIT_MS);
  await Promise.race([client.end().catch(() => undefined), promise]);
  clearTimeout(timer);
}

const REMEDIES: Record<string, string> = {
  '28P01': 'Check user and password in SOURCE_URL.',
  '28000':
    'Check the user in SOURCE_URL, and pg_hba.conf of the server: it has to let the user in to this database, with TLS or without (sslmode in SOURCE_URL), and may ask for a client certificate (sslcert, sslkey).',
  '3D000': 'Check the database in SOURCE_URL.',
};

/** A driver's error as ours, by SQLSTATE (PostgreSQL manual, appendix A) or the operating system's code. */
export function toPostgresError(error: unknown, doing: string): CdcError {
  if (isCdcError(error)) return error;
  const tlsError = toTlsError(error, 'SOURCE_URL');
  if (tlsError !== undefined) return tlsError;
  const state = String((error as { code?: unknown }).code ?? '');
  const details = { cause: error, context: { sqlState: state } };
  switch (state) {
    case '28P01':
    case '28000':
    case '3D000':
      return new CdcError('AUTH_FAILED', `The source refused the login of SOURCE_URL while ${doing}.`, { ...details, remedy: REMEDIES[state] });
    case '42501':
      return new CdcError('SETUP_GRANT_MISSING', `The user of SOURCE_URL lacks a right while ${doing}.`, {
        ...details,
        remedy: 'ALTER ROLE <user> REPLICATION; GRANT CREATE ON DATABASE <database> TO <user>; GRANT SELECT ON <tables> TO <user>;',
      });
    case '55006':
      return new CdcError('SLOT_IN_USE', 'The replication slot is in use by another process.', details);
    case '53400':
      return new CdcError('SETUP_LIMIT_REACHED', 'The source has no free replication slot.', details);
    case '53300':
      return new CdcError('CONNECTION_LOST', 'The source has no free connection.', {
        ...details,
        remedy: 'Raise max_connections and max_wal_senders, or close connections.',
      });
    case '25006':
      return new CdcError('SETUP_PUBLICATION', `The source is read-only (${doing}).`, { ...details, remedy: 'Set SOURCE_URL to the primary server.' });
    case '42704':
      return new CdcError('POSITION_LOST', `The slot or publication is gone (${doing}).`, details);
    case '55000':
      return new CdcError('POSITION_LOST', `The replication slot can no longer be used (${doing}).`, details);
    default:
      if (isBug(error)) return toCdcError(error);
      if (isBeyondServer(error)) return beyondServer(doing, details);
      return new CdcError('CONNECTION_LOST', `The connection to the source failed while ${doing}.`, details);
  }
}

const PROGRAM_LIMIT = '54000';
const INTERNAL = 'XX000';

/** Whether the server was to put more into one message, or one value's text, than the gigabyte that it can; where in its code it says so tells that from other internal errors. */
function isBeyondServer(error: unknown): boolean {
  const { code, file } = error as { readonly code?: unknown; readonly file?: unknown };
  return code === PROGRAM_LIMIT || (code === INTERNAL && file === 'mcxt.c');
}

function beyondServer(doing: string, details: ErrorDetails): CdcError {
  return new CdcError(
    'VALUE_OUT_OF_RANGE',
    `The source cannot send a row while ${doing}: with all of its values it is beyond the gigabyte that PostgreSQL can send at once.`,
    {
      ...details,
      remedy: 'Leave the large column out with EXCLUDE_COLUMNS, or make its values smaller.',
    },
  );
}

/** The driver's errors and the system's have other classes. */
function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}
