import { createRequire } from 'node:module';
import type createClient from '@kafkajs/confluent-schema-registry/dist/api/index.js';

const require = createRequire(import.meta.url);

/** Registers a schema under a subject, and gives its id. An error of an answer has its `status`. */
export type Register = (subject: string, schema: string) => Promise<number>;

export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
}

/**
 * The part of @kafkajs/confluent-schema-registry that speaks to a registry, without the one that compiles each schema that
 * it registers: of thousands of tables that costs minutes and hundreds of megabytes, and nothing here is written with those
 * types. Loaded at the first call, since readers never register. Its release is pinned to the letter in package.json, and
 * `registry.integration.test.ts` guards what is used here.
 */
export function registering(host: string, login: RegistryLogin | undefined, timeout: number): Register {
  const { default: create } = require('@kafkajs/confluent-schema-registry/dist/api/index.js') as typeof createClient;
  const { Subject } = create({ host, ...(login === undefined ? {} : { auth: { ...login } }), retry: { retries: 0 } });
  return async (subject, schema) => idOf((await Subject.register({ subject, timeout, body: { schema } })).data());
}

function idOf(answer: unknown): number {
  const { id } = (answer ?? {}) as { readonly id?: unknown };
  if (typeof id === 'number') return id;
  throw new Error('the answer has no id');
}
