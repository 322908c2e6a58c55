import type { ErrorCode } from '../../shared/errors/codes.ts';

/**
 * What a failure of the server or of the connection is to us, by its code alone: SQLSTATE (PostgreSQL manual, appendix
 * A) or Node's own. Undefined for a code that says nothing of the kind.
 */
export function errorCodeOf(code: string): ErrorCode | undefined {
  return EXACT[code] ?? (/^[0-9A-Z]{5}$/.test(code) ? (CLASSES[code.slice(0, 2)] ?? 'TARGET_REFUSED') : undefined);
}

const CLASSES: Readonly<Record<string, ErrorCode>> = {
  '08': 'CONNECTION_LOST',
  '22': 'RECORD_REJECTED',
  '23': 'RECORD_REJECTED',
  '28': 'AUTH_FAILED',
  '40': 'TARGET_BUSY',
  '53': 'TARGET_BUSY',
  '54': 'RECORD_REJECTED',
};

const EXACT: Readonly<Record<string, ErrorCode>> = {
  // string_data_right_truncation, numeric_value_out_of_range, datetime_field_overflow, interval_field_overflow
  '22001': 'VALUE_OUT_OF_RANGE',
  '22003': 'VALUE_OUT_OF_RANGE',
  '22008': 'VALUE_OUT_OF_RANGE',
  '22015': 'VALUE_OUT_OF_RANGE',
  // read_only_sql_transaction: the server was demoted to a standby, as in a failover
  '25006': 'CONNECTION_LOST',
  // idle_in_transaction_session_timeout, transaction_timeout
  '25P03': 'CONNECTION_LOST',
  '25P04': 'TIMEOUT',
  // insufficient_privilege
  '42501': 'SETUP_GRANT_MISSING',
  // object_in_use, lock_not_available
  '55006': 'TARGET_BUSY',
  '55P03': 'TARGET_BUSY',
  // query_canceled, by statement_timeout
  '57014': 'TIMEOUT',
  // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout
  '57P01': 'CONNECTION_LOST',
  '57P02': 'CONNECTION_LOST',
  '57P03': 'CONNECTION_LOST',
  '57P05': 'CONNECTION_LOST',
  ECONNABORTED: 'CONNECTION_LOST',
  ECONNREFUSED: 'CONNECTION_LOST',
  ECONNRESET: 'CONNECTION_LOST',
  EHOSTUNREACH: 'CONNECTION_LOST',
  ENETUNREACH: 'CONNECTION_LOST',
  ENOTFOUND: 'CONNECTION_LOST',
  EAI_AGAIN: 'CONNECTION_LOST',
  EPIPE: 'CONNECTION_LOST',
  ETIMEDOUT: 'CONNECTION_LOST',
};
