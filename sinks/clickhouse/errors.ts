import { ClickHouseError } from '@clickhouse/client';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import type { ErrorCode } from '../../shared/errors/codes.ts';

/** ClickHouse's own numbers: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp. */
const SERVER_CODES: Readonly<Partial<Record<ErrorCode, readonly string[]>>> = {
  // UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED
  AUTH_FAILED: ['192', '193', '194', '516'],
  // READONLY, ACCESS_DENIED
  SETUP_GRANT_MISSING: ['164', '497'],
  // UNKNOWN_TABLE, UNKNOWN_DATABASE
  TABLE_NOT_FOUND: ['60', '81'],
  // TIMEOUT_EXCEEDED, SOCKET_TIMEOUT, TOO_SLOW
  TIMEOUT: ['159', '209', '160'],
  // NETWORK_ERROR, ABORTED, ALL_CONNECTION_TRIES_FAILED, QUERY_WAS_CANCELLED
  CONNECTION_LOST: ['210', '236', '279', '394'],
  // QUOTA_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, NO_ZOOKEEPER, MEMORY_LIMIT_EXCEEDED, TABLE_IS_READ_ONLY, NOT_ENOUGH_SPACE,
  // TOO_MANY_PARTS, TOO_FEW_LIVE_REPLICAS, UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE, UNKNOWN_STATUS_OF_INSERT,
  // CANNOT_SCHEDULE_TASK, DEADLOCK_AVOIDED, CANNOT_ASSIGN_ALTER, SERVER_OVERLOADED, KEEPER_EXCEPTION
  TARGET_BUSY: ['201', '202', '225', '241', '242', '243', '252', '285', '286', '319', '439', '473', '517', '745', '999'],
  // ARGUMENT_OUT_OF_BOUND, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, DECIMAL_OVERFLOW
  VALUE_OUT_OF_RANGE: ['69', '321', '407'],
  // TOO_LARGE_ARRAY_SIZE, TOO_LARGE_STRING_SIZE, CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN, VIOLATED_CONSTRAINT
  RECORD_REJECTED: ['128', '131', '349', '469'],
};

const CODE_OF = new Map(Object.entries(SERVER_CODES).flatMap(([code, numbers]) => numbers.map((number) => [number, code as ErrorCode] as const)));

/** INCORRECT_DATA: names or types of the columns sent are not those of the server's table. */
const INCORRECT_DATA = '117';

export function saysTableChanged(error: unknown): boolean {
  return error instanceof CdcError && error.cause instanceof ClickHouseError && error.cause.code === INCORRECT_DATA;
}

const SENTENCES: Readonly<Partial<Record<ErrorCode, string>>> = {
  AUTH_FAILED: 'ClickHouse refused user or password',
  SETUP_GRANT_MISSING: 'The ClickHouse user lacks a right',
  TABLE_NOT_FOUND: 'A table or database of the target is gone',
  TIMEOUT: 'ClickHouse did not answer in time',
  CONNECTION_LOST: 'The connection to ClickHouse failed',
  TARGET_BUSY: 'ClickHouse asks for a pause',
};

export interface Attempt {
  /** What was done, for the message: `writing to shop.orders`. */
  readonly action: string;
  readonly hasTimedOut: boolean;
}

/** The driver's errors as ours, by the server's number or the system's code. What has neither never reached ClickHouse. */
export function toTargetError(error: unknown, { action, hasTimedOut }: Attempt): CdcError {
  if (error instanceof CdcError) return error;
  const code = hasTimedOut ? 'TIMEOUT' : codeOf(error);
  const sentence = SENTENCES[code] ?? 'ClickHouse refused a statement';
  const serverCode = error instanceof ClickHouseError ? { serverCode: `${error.code} ${error.type ?? ''}`.trimEnd() } : {};
  return new CdcError(code, `${sentence}: ${action}.`, { cause: error, context: serverCode });
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof ClickHouseError) return CODE_OF.get(error.code) ?? 'TARGET_REFUSED';
  return 'CONNECTION_LOST';
}
