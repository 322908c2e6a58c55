import type { ConnectionOptions } from 'node:tls';
import { CdcError } from '../errors/cdc-error.ts';
import { offersTls } from './offers-tls.ts';
import { toTlsError } from './tls-error.ts';
import { readTlsParameters, type TlsParameters } from './tls-parameters.ts';

/** Where a server is; `isLocal` where nothing outside of this machine lies between. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  /** A folder with the server's socket instead of a host. */
  readonly isSocket: boolean;
  readonly isLocal: boolean;
}

/** What both connectors give the driver of PostgreSQL: `ssl` of its settings. */
export type DriverTls = ConnectionOptions | false;

const DEFAULT_PORT = 5432;
const LOCAL = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

/**
 * How connections to one PostgreSQL server are protected, as `sslmode` and its companions in the URL say (libpq manual,
 * "SSL Support"). Without `sslmode` the server has to prove who it is, unless it is on this machine.
 */
export class ServerTls {
  readonly #setting: string;
  readonly #address: ServerAddress;
  readonly #parameters: TlsParameters;
  #isOffered: Promise<boolean> | undefined;

  /** Takes the parameters out of the URL. Each problem completes "SOURCE_URL …". */
  static take(url: URL, setting: string): { readonly tls: ServerTls; readonly problems: readonly string[] } {
    const address = addressOf(url);
    const { parameters, problems } = readTlsParameters(url, address.isLocal ? 'disable' : 'verify-full');
    return { tls: new ServerTls(setting, address, parameters), problems };
  }

  private constructor(setting: string, address: ServerAddress, parameters: TlsParameters) {
    this.#setting = setting;
    this.#address = address;
    this.#parameters = parameters;
  }

  /** For one connection. Asks the server where the mode leaves it to the server, once. */
  async driverTls(): Promise<DriverTls> {
    const { mode, ca, cert, key, passphrase } = this.#parameters;
    if (mode === 'disable' || this.#address.isSocket) return false;
    if (mode === 'prefer' && !(await this.#asksServer())) return false;
    const client = { ...(ca === undefined ? {} : { ca: [...ca] }), ...(cert === undefined ? {} : { cert, key, passphrase }) };
    if (mode === 'verify-full') return client;
    const verifiesChain = mode === 'verify-ca' || (mode === 'require' && ca !== undefined);
    return verifiesChain ? { ...client, checkServerIdentity: () => undefined } : { ...client, rejectUnauthorized: false };
  }

  /** What a connection failed with, said better where it is about TLS: a coded error, or the same. */
  async explain(error: unknown): Promise<unknown> {
    const known = toTlsError(error, this.#setting);
    if (known !== undefined) return known;
    const isPlain = error instanceof CdcError || (error as { code?: unknown }).code !== undefined;
    if (isPlain || (await this.driverTls()) === false || (await this.#asksServer().catch(() => true))) return error;
    return new CdcError('TLS_FAILED', `The server of ${this.#setting} offers no TLS, and ${this.#setting} asks for it.`, {
      cause: error,
      remedy: `Switch it on in the server (ssl = on, with a certificate); or add sslmode=disable to ${this.#setting}, if you trust the network between.`,
    });
  }

  async #asksServer(): Promise<boolean> {
    this.#isOffered ??= offersTls(this.#address);
    // Asked again where the answer did not come.
    this.#isOffered.catch(() => (this.#isOffered = undefined));
    return this.#isOffered;
  }
}

function addressOf(url: URL): ServerAddress {
  const given = url.searchParams.get('host') ?? decodeURIComponent(url.hostname);
  const host = given === '' ? 'localhost' : given.replace(/^\[(.+)\]$/, '$1');
  const port = Number(url.searchParams.get('port') ?? url.port);
  const isSocket = host.startsWith('/');
  return { host, port: port === 0 ? DEFAULT_PORT : port, isSocket, isLocal: isSocket || LOCAL.test(host) };
}
