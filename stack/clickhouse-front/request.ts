import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** One request of ClickHouse's HTTP interface, without its body. */
export interface FrontRequest {
  readonly user: string;
  readonly password: string;
  readonly query: string;
  readonly database: string;
  readonly queryId: string | undefined;
  readonly defaultFormat: string;
  readonly settings: ReadonlyMap<string, string>;
  /** In the escaped form of the wire (that of TabSeparated). */
  readonly params: ReadonlyMap<string, string>;
  readonly bodyEncoding: string;
  readonly gzipAnswer: boolean;
  /** What the request asks for that this front does not do. */
  readonly unsupported: string | undefined;
}

/** https://clickhouse.com/docs/interfaces/http: parameters of the interface itself; every other one is a setting. */
const INTERFACE_PARAMETERS = new Set([
  'user',
  'password',
  'query',
  'query_id',
  'database',
  'default_format',
  'session_id',
  'session_timeout',
  'session_check',
  'session_timezone_check',
  'wait_end_of_query',
  'buffer_size',
  'compress',
  'decompress',
  'quota_key',
  'stacktrace',
  'role',
  'client_protocol_version',
  'close_session',
]);
const UNSUPPORTED_PARAMETERS = ['session_id', 'compress', 'decompress'];

export function readRequest(url: URL, headers: IncomingHttpHeaders): FrontRequest {
  const parameters = url.searchParams;
  const { user, password } = credentials(parameters, headers);
  const settings = new Map<string, string>();
  const params = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (name.startsWith('param_')) params.set(name.slice('param_'.length), value);
    else if (!INTERFACE_PARAMETERS.has(name)) settings.set(name, value);
  }
  return {
    user,
    password,
    query: parameters.get('query') ?? '',
    database: parameters.get('database') ?? header(headers, 'x-clickhouse-database') ?? '',
    queryId: parameters.get('query_id') ?? undefined,
    defaultFormat: parameters.get('default_format') ?? header(headers, 'x-clickhouse-format') ?? 'TabSeparated',
    settings,
    params,
    bodyEncoding: headers['content-encoding'] ?? '',
    gzipAnswer: settings.get('enable_http_compression') === '1' && (header(headers, 'accept-encoding') ?? '').includes('gzip'),
    unsupported: UNSUPPORTED_PARAMETERS.find((name) => !['', '0', null].includes(parameters.get(name))),
  };
}

function credentials(parameters: URLSearchParams, headers: IncomingHttpHeaders): { readonly user: string; readonly password: string } {
  const basic = /^Basic (.+)$/i.exec(headers.authorization ?? '')?.[1];
  if (basic !== undefined) {
    const text = Buffer.from(basic, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    return colon === -1 ? { user: text, password: '' } : { user: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  return {
    user: header(headers, 'x-clickhouse-user') ?? parameters.get('user') ?? 'default',
    password: header(headers, 'x-clickhouse-key') ?? parameters.get('password') ?? '',
  };
}

function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

export function sameSecret(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
