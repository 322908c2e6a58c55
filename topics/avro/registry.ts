import type { CommonSettings } from '../../shared/config/common-options.ts';
import { CdcError } from '../../shared/errors/cdc-error.ts';
import { type Register, registering } from './registry-client.ts';
import type { AvroRecord } from './types.ts';

const NOT_FOUND = 404;
const CONFLICT = 409;
const REQUEST_TIMEOUT_MS = 15_000;
const NEW_SUBJECT_COMPATIBILITY = 'BACKWARD';
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json';

export interface SchemaVersion {
  readonly version: number;
  readonly id: number;
}

/**
 * The schema registry: ids of schemas by subject, and schemas by id. Both are looked up once and then remembered.
 *
 * Errors: `REGISTRY_UNAVAILABLE`, `AUTH_FAILED`, `SCHEMA_INCOMPATIBLE` (the subject's compatibility rule refuses it).
 */
export class Registry {
  readonly #register: Register;
  readonly #url: string;
  readonly #authorization: Record<string, string>;
  readonly #schemas = new Map<number, Promise<unknown>>();

  constructor(settings: CommonSettings) {
    const { SCHEMA_REGISTRY_USERNAME: username, SCHEMA_REGISTRY_PASSWORD: password } = settings;
    const url = new URL(settings.SCHEMA_REGISTRY_URL);
    const user = username ?? decodeURIComponent(url.username);
    const secret = password?.reveal() ?? decodeURIComponent(url.password);
    url.username = url.password = '';
    this.#url = url.href.replace(/\/$/, '');
    this.#authorization = user === '' ? {} : { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` };
    const login = user === '' ? undefined : { username: user, password: secret };
    let register: Register | undefined;
    this.#register = async (subject, schema) => (register ??= registering(this.#url, login, REQUEST_TIMEOUT_MS))(subject, schema);
  }

  /** Registers a schema under a subject, or finds the id that it has there. A new subject gets BACKWARD, since not every registry has it as default. */
  async register(subject: string, schema: AvroRecord): Promise<number> {
    const own = await this.#ownCompatibility(subject);
    const id = await this.#register(subject, JSON.stringify(schema)).catch((error: unknown) => {
      throw toRegistryError(error, `registering ${subject}`, subject);
    });
    if (own === undefined) await this.#setCompatibility(subject, NEW_SUBJECT_COMPATIBILITY);
    return id;
  }

  /**
   * Registers a schema that the subject's rule refuses as its next version: the rule is off for this one registration,
   * and then as it was. The rule of all subjects (where a subject has none of its own) is left alone.
   */
  async registerInSpite(subject: string, schema: AvroRecord): Promise<number> {
    const own = await this.#ownCompatibility(subject);
    await this.#setCompatibility(subject, 'NONE');
    try {
      return await this.register(subject, schema);
    } finally {
      await this.#setCompatibility(subject, own);
    }
  }

  /** Undefined where the subject goes by the rule of all. */
  async #ownCompatibility(subject: string): Promise<string | undefined> {
    const response = await this.#fetch(`/config/${encodeURIComponent(subject)}`);
    if (response.status === NOT_FOUND) return undefined;
    return ((await this.#answer(response, `asking for the rule of ${subject}`)) as { compatibilityLevel?: string }).compatibilityLevel;
  }

  async #setCompatibility(subject: string, compatibility: string | undefined): Promise<void> {
    const rest = compatibility === undefined ? { method: 'DELETE' } : { method: 'PUT', body: JSON.stringify({ compatibility }) };
    await this.#answer(await this.#fetch(`/config/${encodeURIComponent(subject)}`, rest), `setting the rule of ${subject}`);
  }

  /** The schema of an id, as its JSON says it, properties included. */
  async schema(id: number): Promise<unknown> {
    let found = this.#schemas.get(id);
    if (found === undefined) {
      found = this.#fetchSchema(id);
      this.#schemas.set(id, found);
      found.catch(() => this.#schemas.delete(id));
    }
    return found;
  }

  async #fetchSchema(id: number): Promise<unknown> {
    const response = await this.#fetch(`/schemas/ids/${id}`);
    if (response.status === NOT_FOUND) {
      throw new CdcError('SCHEMA_INCOMPATIBLE', `The schema registry does not know the schema ${id} that a record names.`, {
        context: { schemaId: id },
        remedy: 'Check that SCHEMA_REGISTRY_URL is the registry of the topics.',
      });
    }
    const { schema } = (await this.#answer(response, `asking for schema ${id}`)) as { schema: string };
    return JSON.parse(schema) as unknown;
  }

  /** The versions of a subject, oldest first; none where the registry does not know it. */
  async versions(subject: string): Promise<readonly SchemaVersion[]> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`;
    const response = await this.#fetch(path);
    if (response.status === NOT_FOUND) return [];
    const versions = (await this.#answer(response, `asking for the versions of ${subject}`)) as readonly number[];
    return Promise.all(versions.map(async (version) => ({ version, id: ((await this.#get(`${path}/${version}`)) as { id: number }).id })));
  }

  /** Throws unless the registry answers. */
  async ping(): Promise<void> {
    await this.#get('/subjects');
  }

  async #get(path: string): Promise<unknown> {
    return this.#answer(await this.#fetch(path), `asking for ${path}`);
  }

  async #answer(response: Response, doing: string): Promise<unknown> {
    if (!response.ok) throw toRegistryError({ status: response.status }, doing);
    try {
      return await response.json();
    } catch (error) {
      throw toRegistryError(error, doing);
    }
  }

  async #fetch(path: string, rest: RequestInit = {}): Promise<Response> {
    const headers = { ...this.#authorization, ...(rest.body === undefined ? {} : { 'content-type': CONTENT_TYPE }) };
    try {
      return await fetch(`${this.#url}${path}`, { ...rest, headers, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    } catch (error) {
      throw toRegistryError(error, `asking for ${path}`);
    }
  }
}

function toRegistryError(error: unknown, doing: string, subject?: string): CdcError {
  const status = (error as { status?: unknown }).status;
  const details = { cause: error, context: { subject, status: typeof status === 'number' ? status : null } };
  if (status === 401 || status === 403) {
    return new CdcError('AUTH_FAILED', `The schema registry refused access while ${doing}.`, {
      ...details,
      remedy: 'Check SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD.',
    });
  }
  if (status === CONFLICT) {
    return new CdcError(
      'SCHEMA_INCOMPATIBLE',
      `The schema registry refuses the new schema of ${subject ?? doing}: it is not compatible with the present one.`,
      {
        ...details,
        remedy: 'Set ON_INCOMPATIBLE_SCHEMA=new-version to register it all the same, or set another compatibility for the subject, and take a new snapshot.',
      },
    );
  }
  return new CdcError('REGISTRY_UNAVAILABLE', `The schema registry does not answer as it should while ${doing}.`, details);
}
