import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Duplex } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress, gzipSync } from 'node:zlib';
import { contentType, EngineError, engineErrorOf, errorBody, httpStatus, summaryHeader, type Outcome } from './answer.ts';
import type { Engine } from './engine.ts';
import { readRequest, sameSecret, type FrontRequest } from './request.ts';
import { readStatement, type Statement } from './statement.ts';

export interface FrontOptions {
  readonly engine: Engine;
  readonly version: string;
  readonly user: string;
  readonly password: string;
  /** For the rows of inserts while they are taken in; nothing in it is needed afterwards. */
  readonly incomingFolder: string;
}

const KEEP_ALIVE_MS = 30_000;

/** ClickHouse's HTTP interface over an engine in this process. */
export function createFront(options: FrontOptions): Server {
  const server = createServer((request, response) => void answer(request, response, options));
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = 0;
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, options: FrontOptions): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'http://front');
    if (url.pathname === '/ping' || (request.method === 'GET' && url.search === '')) return void response.end('Ok.\n');
    await answerStatement(request, response, url, options);
  } catch (error) {
    // A client that went away in the middle of its rows: nothing was written and nobody waits for an answer.
    if (!request.complete && request.destroyed) return;
    sendError(response, engineErrorOf(error), options.version);
  }
}

async function answerStatement(request: IncomingMessage, response: ServerResponse, url: URL, options: FrontOptions): Promise<void> {
  const wanted = readRequest(url, request.headers);
  const taken = await takeIn(request, wanted, options);
  try {
    response.setHeader('X-ClickHouse-Query-Id', wanted.queryId ?? randomUUID());
    const format = taken.statement.format ?? wanted.defaultFormat;
    const outcome = await options.engine.run({ ...wanted, statement: taken.statement, format: wanted.defaultFormat, dataFile: taken.dataFile });
    sendOutcome(response, outcome, format, wanted.gzipAnswer);
  } finally {
    if (taken.dataFile !== undefined) await rm(taken.dataFile, { force: true });
  }
}

interface TakenIn {
  readonly statement: Statement;
  readonly dataFile: string | undefined;
}

/** Reads the request to its end before anything is refused: a client that still sends would not see the answer. */
async function takeIn(request: IncomingMessage, wanted: FrontRequest, options: FrontOptions): Promise<TakenIn> {
  const problem = refusal(wanted, options);
  const fromUrl = readStatement(wanted.query);
  if (problem === undefined && fromUrl.rows === 'data')
    return { statement: fromUrl, dataFile: await rowsToFile(request, wanted.bodyEncoding, options.incomingFolder) };
  const body = await wholeBody(request, wanted.bodyEncoding);
  if (problem !== undefined) throw problem;
  return fromWholeText(wanted.query, body, options.incomingFolder);
}

function refusal(wanted: FrontRequest, options: FrontOptions): EngineError | undefined {
  if (wanted.user !== options.user || !sameSecret(wanted.password, options.password)) {
    return new EngineError(516, 'AUTHENTICATION_FAILED', `${wanted.user}: Authentication failed: password is incorrect, or there is no user with such name.`);
  }
  if (wanted.unsupported !== undefined) return new EngineError(48, 'NOT_IMPLEMENTED', `The local ClickHouse does not support ${wanted.unsupported}.`);
  return undefined;
}

async function fromWholeText(query: string, body: Buffer, folder: string): Promise<TakenIn> {
  const text = [query, body.toString('utf8')].filter((part) => part !== '').join('\n');
  const statement = readStatement(text);
  if (statement.rows !== 'data') return { statement, dataFile: undefined };
  const dataFile = newDataFile(folder);
  const rowsInBody = Buffer.byteLength(statement.text) - (query === '' ? 0 : Buffer.byteLength(query) + 1);
  await writeFile(dataFile, withoutLeadingBlanks(body.subarray(Math.max(0, rowsInBody))));
  return { statement, dataFile };
}

/** As the server's parser does between the format's name and inline rows: blanks, then one end of line. */
function withoutLeadingBlanks(rows: Buffer): Buffer {
  const length = /^;?[ \t\f]*\r?\n?/.exec(rows.subarray(0, 100).toString('latin1'))?.[0].length ?? 0;
  return rows.subarray(length);
}

async function rowsToFile(request: IncomingMessage, encoding: string, folder: string): Promise<string> {
  const file = newDataFile(folder);
  try {
    await pipeline([request, ...decoders(encoding), createWriteStream(file)]);
    return file;
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

async function wholeBody(request: IncomingMessage, encoding: string): Promise<Buffer> {
  const [decoder] = decoders(encoding);
  if (decoder === undefined) return buffer(request);
  const [body] = await Promise.all([buffer(decoder), pipeline(request, decoder)]);
  return body;
}

function decoders(encoding: string): Duplex[] {
  switch (encoding) {
    case '':
    case 'identity':
      return [];
    case 'gzip':
      return [createGunzip()];
    case 'deflate':
      return [createInflate()];
    case 'br':
      return [createBrotliDecompress()];
    case 'zstd':
      return [createZstdDecompress()];
    default:
      throw new EngineError(48, 'NOT_IMPLEMENTED', `Unknown compression method ${encoding}`);
  }
}

function newDataFile(folder: string): string {
  return join(folder, `${randomUUID()}.data`);
}

function sendOutcome(response: ServerResponse, outcome: Outcome, format: string, gzip: boolean): void {
  response.writeHead(200, {
    'Content-Type': contentType(format),
    'X-ClickHouse-Summary': summaryHeader(outcome),
    'X-ClickHouse-Format': format,
    'X-ClickHouse-Timezone': 'UTC',
    'X-ClickHouse-Server-Display-Name': 'dbmazz-stack',
    ...(gzip && { 'Content-Encoding': 'gzip' }),
  });
  response.end(gzip ? gzipSync(outcome.bytes, { level: constants.Z_BEST_SPEED }) : outcome.bytes);
}

function sendError(response: ServerResponse, error: EngineError, version: string): void {
  response.writeHead(httpStatus(error), {
    'Content-Type': 'text/plain; charset=UTF-8',
    'X-ClickHouse-Exception-Code': String(error.code),
    'X-ClickHouse-Server-Display-Name': 'dbmazz-stack',
  });
  response.end(errorBody(error, version));
}
