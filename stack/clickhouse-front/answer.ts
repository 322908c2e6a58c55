/** Error numbers, headers and texts as a ClickHouse server gives them. */

/** A failure with a ClickHouse error code, its text without the leading "Code: …". */
export class EngineError extends Error {
  readonly code: number;
  readonly codeName: string;

  constructor(code: number, codeName: string, message: string) {
    super(message);
    this.name = 'EngineError';
    this.code = code;
    this.codeName = codeName;
  }
}

export interface Outcome {
  readonly bytes: Uint8Array;
  readonly elapsedSeconds: number;
  readonly readRows: number;
  readonly readBytes: number;
  readonly writtenRows: number;
  readonly writtenBytes: number;
}

/** Rows come to the engine in a file of ours; that is nobody else's concern. */
const OUR_FILE = /:? ?\(in file\/uri [^)]*\)|: While executing File(?:: data for INSERT was parsed from file)?/g;

/** From the engine's own text, "Code: 60. DB::Exception: … (UNKNOWN_TABLE)". */
export function engineErrorOf(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const text = (error instanceof Error ? error.message : String(error)).replaceAll(OUR_FILE, '');
  const [, code, rest] = /^Code: (\d+)\. DB::Exception: (.*)$/s.exec(text) ?? [];
  if (code === undefined || rest === undefined) return new EngineError(1002, 'UNKNOWN_EXCEPTION', text);
  const [, message, name] = /^(.*?)\s*\(([A-Z][A-Z0-9_]+)\)(?: \(version [^)]*\))?\s*$/s.exec(rest) ?? [];
  return new EngineError(Number(code), name ?? 'UNKNOWN_EXCEPTION', message ?? rest);
}

export function errorBody(error: EngineError, version: string): string {
  return `Code: ${error.code}. DB::Exception: ${error.message} (${error.codeName}) (version ${version} (official build))\n`;
}

const STATUS_BY_NAME: Readonly<Record<string, number>> = {
  REQUIRED_PASSWORD: 401,
  ...statusOf(403, 'UNKNOWN_USER WRONG_PASSWORD AUTHENTICATION_FAILED SET_NON_GRANTED_ROLE'),
  ...statusOf(400, 'BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE CANNOT_PARSE_QUOTED_STRING'),
  ...statusOf(400, 'CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING CANNOT_PARSE_IPV4'),
  ...statusOf(400, 'CANNOT_PARSE_IPV6 CANNOT_PARSE_INPUT_ASSERTION_FAILED CANNOT_PARSE_UUID DUPLICATE_COLUMN ILLEGAL_COLUMN'),
  ...statusOf(400, 'UNKNOWN_ELEMENT_IN_AST UNKNOWN_TYPE_OF_AST_NODE TOO_DEEP_AST TOO_BIG_AST UNEXPECTED_AST_STRUCTURE SYNTAX_ERROR'),
  ...statusOf(400, 'INCORRECT_DATA TYPE_MISMATCH VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE'),
  ...statusOf(404, 'UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE UNKNOWN_DATABASE UNKNOWN_SETTING'),
  ...statusOf(404, 'UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_AGGREGATE_FUNCTION UNKNOWN_FORMAT UNKNOWN_DATABASE_ENGINE UNKNOWN_TYPE_OF_QUERY'),
  TIMEOUT_EXCEEDED: 408,
  HTTP_LENGTH_REQUIRED: 411,
  QUERY_IS_TOO_LARGE: 413,
  NOT_IMPLEMENTED: 501,
  ...statusOf(503, 'SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK'),
};

function statusOf(status: number, names: string): Record<string, number> {
  return Object.fromEntries(names.split(' ').map((name) => [name, status]));
}

/** As `exceptionCodeToHTTPStatus` of the server chooses it. */
export function httpStatus(error: EngineError): number {
  return STATUS_BY_NAME[error.codeName] ?? 500;
}

export function summaryHeader(outcome: Outcome): string {
  const { readRows, readBytes, writtenRows, writtenBytes } = outcome;
  const isWrite = writtenRows > 0;
  const numbers = {
    read_rows: readRows,
    read_bytes: readBytes,
    written_rows: writtenRows,
    written_bytes: writtenBytes,
    total_rows_to_read: 0,
    result_rows: isWrite ? writtenRows : readRows,
    result_bytes: isWrite ? writtenBytes : outcome.bytes.length,
    elapsed_ns: Math.round(outcome.elapsedSeconds * 1e9),
  };
  return JSON.stringify(Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, String(value)])));
}

export function contentType(format: string): string {
  if (/^JSON(Compact)?(Strings|Columns)?(EachRow|WithNames).*/.test(format) || format.includes('EachRow')) return 'application/x-ndjson; charset=UTF-8';
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (/^(TSV|TabSeparated)/.test(format)) return 'text/tab-separated-values; charset=UTF-8';
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8';
  return /^(RowBinary|Native|Parquet|Arrow|ORC|Avro)/.test(format) ? 'application/octet-stream' : 'text/plain; charset=UTF-8';
}
