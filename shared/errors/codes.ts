/** What the runners do about an error: try again with back-off, set the record or table aside, or end the process. */
export type ErrorAction = 'retry' | 'setAside' | 'stop';

/** Process exit codes of the contract. */
export const EXIT = { stopped: 0, failed: 1, configuration: 2, prerequisite: 3, historyLost: 4, bug: 70 } as const;

interface CodeEntry {
  readonly action: ErrorAction;
  readonly exitCode: number;
  /** What it means, for the error page and for operators. */
  readonly meaning: string;
  /** What to do where the error itself names no better remedy. */
  readonly remedy: string;
}

/** Every error that a user can meet. `docs/errors.md` is generated from this table. */
export const CODES = {
  CONFIG_INVALID: {
    action: 'stop',
    exitCode: EXIT.configuration,
    meaning: 'A setting is missing, malformed or contradicts another one.',
    remedy: 'Put the named settings right; nothing was started.',
  },
  CONFIG_UNKNOWN_OPTION: {
    action: 'stop',
    exitCode: EXIT.configuration,
    meaning: 'A setting with one of our prefixes is not known: most often a typing mistake.',
    remedy: 'Remove or rename it.',
  },
  AUTH_FAILED: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'The server refused the user or the password.',
    remedy: 'Check user and password of the named setting.',
  },
  TLS_FAILED: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'No encrypted connection came about: one side does not trust the certificate of the other, or does not speak TLS.',
    remedy: 'Check the TLS settings of the server that is named.',
  },
  SETUP_VERSION: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'The server is too old.',
    remedy: 'Use one of the versions that the connector page lists.',
  },
  SETUP_WAL_LEVEL: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'PostgreSQL does not write what logical decoding needs.',
    remedy: 'ALTER SYSTEM SET wal_level = logical; then restart the server.',
  },
  SETUP_GRANT_MISSING: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'The user lacks a right.',
    remedy: 'Grant it; the message has the statement.',
  },
  SETUP_LIMIT_REACHED: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'The server has no free replication slot or sender.',
    remedy: 'Raise max_replication_slots and max_wal_senders, or drop slots that nobody uses.',
  },
  SETUP_PUBLICATION: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'The publication does not carry what was asked for, and cannot be changed by us.',
    remedy: 'Change it as the message says, or name another one.',
  },
  TABLE_NOT_FOUND: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'A table or topic that was asked for does not exist.',
    remedy: 'Check the spelling in the named setting.',
  },
  REPLICA_IDENTITY: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'Updates and deletes of the table could not say which row they mean.',
    remedy: 'Add a primary key, or ALTER TABLE … REPLICA IDENTITY FULL.',
  },
  TYPE_UNSUPPORTED: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'A column has a type that cannot be carried without loss.',
    remedy: 'Exclude the column with EXCLUDE_COLUMNS, or set UNKNOWN_TYPES=string.',
  },
  SETUP_CHANGED: {
    action: 'retry',
    exitCode: EXIT.failed,
    meaning: 'A table has changed in a way that asks for a new set-up of the source.',
    remedy: 'We set up anew by ourselves.',
  },
  SLOT_IN_USE: {
    action: 'retry',
    exitCode: EXIT.failed,
    meaning: 'Another process streams from the replication slot.',
    remedy: 'Stop the other process, or give this source another SOURCE_NAME or SOURCE_SLOT_NAME.',
  },
  CONNECTION_LOST: {
    action: 'retry',
    exitCode: EXIT.failed,
    meaning: 'A server is not there, or went away.',
    remedy: 'We go on by ourselves once it is back; check its address if it never answers.',
  },
  KAFKA_UNAVAILABLE: {
    action: 'retry',
    exitCode: EXIT.failed,
    meaning: 'The broker does not answer.',
    remedy: 'We go on by ourselves once it is back; check KAFKA_BROKERS, and KAFKA_SSL, if it never answers.',
  },
  REGISTRY_UNAVAILABLE: {
    action: 'retry',
    exitCode: EXIT.failed,
    meaning: 'The schema registry does not answer.',
    remedy: 'We go on by ourselves once it is back; check SCHEMA_REGISTRY_URL if it never answers.',
  },
  TARGET_BUSY: {
    action: 'retry',
    exitCode: EXIT.failed,
    meaning: 'The target asks for a pause: too many parts, connections, locks or too little memory.',
    remedy: 'We go on by ourselves; see the connector page on tuning if it stays.',
  },
  TIMEOUT: {
    action: 'retry',
    exitCode: EXIT.failed,
    meaning: 'A server did not answer in time.',
    remedy: 'We try again by ourselves.',
  },
  FENCED: {
    action: 'stop',
    exitCode: EXIT.failed,
    meaning: 'Another source of the same SOURCE_NAME has started and taken over the topics.',
    remedy: 'Run one source of a name; give the other one another SOURCE_NAME.',
  },
  POSITION_LOST: {
    action: 'stop',
    exitCode: EXIT.historyLost,
    meaning: 'The database no longer has the changes after the stored position.',
    remedy: 'Start under a new SOURCE_NAME to take a new snapshot.',
  },
  POSITION_INVALID: {
    action: 'stop',
    exitCode: EXIT.historyLost,
    meaning: 'The stored position cannot be read, or belongs to another kind of source.',
    remedy: 'Use the SOURCE_NAME of this source, or a new one.',
  },
  SINK_RUNNING: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'Processes of the sink are running, which must be stopped for this.',
    remedy: 'Stop all processes of this SINK_NAME; one that was killed is counted for another ten seconds.',
  },
  TOPIC_HISTORY_LOST: {
    action: 'stop',
    exitCode: EXIT.historyLost,
    meaning: 'Retention has removed records of a topic that the sink had not read yet.',
    remedy:
      'Take a new snapshot of these tables (dbmazz snapshot --tables <schema.table>), and let the sink go on with what is left: dbmazz replay --sink <name> --from beginning --tables <schema.table>.',
  },
  PARSE_FAILED: {
    action: 'stop',
    exitCode: EXIT.failed,
    meaning: 'The bytes of the log or of a topic are not what the protocol says.',
    remedy: 'Please report it with the versions of both sides.',
  },
  SCHEMA_INCOMPATIBLE: {
    action: 'stop',
    exitCode: EXIT.failed,
    meaning: "The registry refuses the table's new schema, or a record does not have the layout of the contract.",
    remedy: 'See topics/README.md on changes of schema.',
  },
  VALUE_OUT_OF_RANGE: {
    action: 'setAside',
    exitCode: EXIT.failed,
    meaning: 'A value does not fit the type that carries it.',
    remedy: 'The message names table and column.',
  },
  RECORD_REJECTED: {
    action: 'setAside',
    exitCode: EXIT.failed,
    meaning: 'The target refuses a record as it is.',
    remedy: 'Set ON_BAD_RECORD=dead-letter to keep it aside and go on, or put the target right.',
  },
  TARGET_REFUSED: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'The target refuses a statement, for a reason that trying again does not mend.',
    remedy: 'The cause has the words of the target.',
  },
  STACK_UNAVAILABLE: {
    action: 'stop',
    exitCode: EXIT.prerequisite,
    meaning: 'The local stack cannot be started on this machine.',
    remedy: 'Install Docker, or Java 17 with Maven.',
  },
  INVARIANT_BROKEN: {
    action: 'stop',
    exitCode: EXIT.bug,
    meaning: 'A bug of ours.',
    remedy: 'Please report it with the log around it.',
  },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof CODES;
