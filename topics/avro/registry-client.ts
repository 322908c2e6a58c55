import { createRequire } from 'node:module';
import type createClient from '@kafkajs/confluent-schema-registry/dist/api/index.js';

const require = createRequire(import.meta.url);
const NOT_FOUND = 404;

/** The calls that registering takes. An error of an answer has its `status`. */
export interface RegistryClient {
  /** What the subject is set to; undefined where it goes by the rule of all. */
  compatibility(subject: string): Promise<string | undefined>;
  setCompatibility(subject: string, compatibility: string): Promise<void>;
  /** Gives the schema's id. */
  register(subject: string, schema: string): Promise<number>;
}

export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
}

/** What the client gives for an answer. */
interface Answer {
  data(): unknown;
}

/**
 * The part of @kafkajs/confluent-schema-registry that speaks to a registry, without the one that compiles each schema that
 * it registers: of thousands of tables that costs minutes and hundreds of megabytes, and nothing here is written with those
 * types. Loaded at the first call, since readers never register. Its release is pinned to the letter in package.json, and
 * `registry.integration.test.ts` guards what is used here.
 */
export function registryClient(host: string, login: RegistryLogin | undefined, timeout: number): RegistryClient {
  const { default: create } = require('@kafkajs/confluent-schema-registry/dist/api/index.js') as typeof createClient;
  const { Subject } = create({ host, ...(login === undefined ? {} : { auth: { ...login } }), retry: { retries: 0 } });
  return {
    compatibility: async (subject) => {
      try {
        const { compatibilityLevel } = (await data(Subject.config({ subject, timeout }))) as { readonly compatibilityLevel?: string };
        return compatibilityLevel ?? '';
      } catch (error) {
        if ((error as { readonly status?: unknown }).status === NOT_FOUND) return undefined;
        throw error;
      }
    },
    setCompatibility: async (subject, compatibility) => void (await data(Subject.updateConfig({ subject, timeout, body: { compatibility } }))),
    register: async (subject, schema) => idOf(await data(Subject.register({ subject, timeout, body: { schema } }))),
  };
}

async function data(answer: Promise<Answer>): Promise<unknown> {
  return (await answer).data();
}

function idOf(answer: unknown): number {
  const { id } = (answer ?? {}) as { readonly id?: unknown };
  if (typeof id === 'number') return id;
  throw new Error('the answer has no id');
}
