import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { dropAll, liveSettings, uniqueName } from '../../test/live-topics.ts';
import { type ColumnDef, TableSchema } from '../../shared/record/table-schema.ts';
import { Registry } from './registry.ts';
import { buildEnvelopeSchema, buildKeySchema } from './table-schemas.ts';

const NAME = uniqueName('registry');
const url = process.env['SCHEMA_REGISTRY_URL'] ?? '';
let subjects = 0;

afterAll(async () => dropAll(NAME));

const newTopic = () => `${NAME}.public.t${subjects++}`;
const registryOf = (environment: Readonly<Record<string, string>> = {}) => new Registry(liveSettings(NAME, environment));

function column(name: string, kind: 'int32' | 'int64' | 'text'): ColumnDef {
  return { name, dataType: { kind }, nullable: true, nativeType: kind };
}

function envelopeOf(topic: string, ...columns: readonly ColumnDef[]) {
  return buildEnvelopeSchema(new TableSchema({ database: 'd', schema: 'public', name: 't', columns: [column('id', 'int32'), ...columns], key: [0] }), topic);
}

async function compatibilityOf(subject: string): Promise<string> {
  const answer = (await (await fetch(`${url}/config/${subject}`)).json()) as { compatibilityLevel: string };
  return answer.compatibilityLevel;
}

async function setCompatibility(subject: string, compatibility: string): Promise<void> {
  const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' };
  const response = await fetch(`${url}/config/${subject}`, { method: 'PUT', headers, body: JSON.stringify({ compatibility }) });
  expect(response.ok).toBe(true);
}

describe('a schema', () => {
  test('has the same id each time it is registered, in every process', async () => {
    const topic = newTopic();
    const schema = envelopeOf(topic, column('name', 'text'));
    const id = await registryOf().register(`${topic}-value`, schema);
    expect(await registryOf().register(`${topic}-value`, schema)).toBe(id);
    expect(await registryOf().schema(id)).toEqual(JSON.parse(JSON.stringify(schema)));
  });

  test('that has changed has another id, and the old one stays readable', async () => {
    const topic = newTopic();
    const registry = registryOf();
    const before = await registry.register(`${topic}-value`, envelopeOf(topic, column('name', 'text')));
    const after = await registry.register(`${topic}-value`, envelopeOf(topic, column('other', 'text')));
    expect(after).not.toBe(before);
    expect(JSON.stringify(await registry.schema(before))).toContain('"name":"name"');
  });

  test('that is registered again after a change back has its first id', async () => {
    const topic = newTopic();
    const registry = registryOf();
    const [narrow, wide] = [envelopeOf(topic), envelopeOf(topic, column('name', 'text'))];
    const first = await registry.register(`${topic}-value`, narrow);
    await registry.register(`${topic}-value`, wide);
    expect(await registry.register(`${topic}-value`, narrow)).toBe(first);
  });

  test('that the registry does not know belongs to another registry', async () => {
    await expect(registryOf().schema(999_999_999)).rejects.toMatchObject({ code: 'SCHEMA_INCOMPATIBLE', message: expect.stringContaining('999999999') });
  });
});

describe('compatibility', () => {
  test('of a new subject is BACKWARD', async () => {
    const topic = newTopic();
    await registryOf().register(`${topic}-value`, envelopeOf(topic));
    expect(await compatibilityOf(`${topic}-value`)).toBe('BACKWARD');
  });

  for (const level of ['FULL', 'FULL_TRANSITIVE', 'FORWARD', 'NONE']) {
    test(`that the user has set to ${level} stays, and columns still come and go`, async () => {
      const topic = newTopic();
      const registry = registryOf();
      await registry.register(`${topic}-value`, envelopeOf(topic, column('a', 'text')));
      await setCompatibility(`${topic}-value`, level);
      await registry.register(`${topic}-value`, envelopeOf(topic, column('a', 'text'), column('b', 'int64')));
      await registry.register(`${topic}-value`, envelopeOf(topic, column('b', 'int64')));
      expect(await compatibilityOf(`${topic}-value`)).toBe(level);
    });
  }

  test('that a change breaks is SCHEMA_INCOMPATIBLE, with the subject', async () => {
    const topic = newTopic();
    const registry = registryOf();
    await registry.register(`${topic}-value`, envelopeOf(topic, column('a', 'text')));
    await expect(registry.register(`${topic}-value`, envelopeOf(topic, column('a', 'int64')))).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
      message: expect.stringContaining(`${topic}-value`),
      context: { subject: `${topic}-value` },
    });
  });

  for (const level of ['BACKWARD', 'FULL']) {
    test(`${level} is set aside for one schema that is to be registered in spite of it, and holds again afterwards`, async () => {
      const topic = newTopic();
      const registry = registryOf();
      const first = await registry.register(`${topic}-value`, envelopeOf(topic, column('a', 'text')));
      await setCompatibility(`${topic}-value`, level);
      const second = await registry.registerInSpite(`${topic}-value`, envelopeOf(topic, column('a', 'int64')));
      expect([second === first, await compatibilityOf(`${topic}-value`)]).toEqual([false, level]);
      await expect(registry.register(`${topic}-value`, envelopeOf(topic, column('a', 'text'), column('b', 'int32')))).rejects.toMatchObject({
        code: 'SCHEMA_INCOMPATIBLE',
      });
    });
  }

  test('lets an int become a long, and no less', async () => {
    const topic = newTopic();
    const registry = registryOf();
    await registry.register(`${topic}-value`, envelopeOf(topic, column('a', 'int32')));
    await registry.register(`${topic}-value`, envelopeOf(topic, column('a', 'int64'), column('b', 'int64')));
    await expect(registry.register(`${topic}-value`, envelopeOf(topic, column('a', 'int64'), column('b', 'int32')))).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
    });
  });

  test('of a key does not let columns be added to it', async () => {
    const topic = newTopic();
    const registry = registryOf();
    const keyOf = (key: readonly number[]) =>
      buildKeySchema(new TableSchema({ database: 'd', schema: 's', name: 't', columns: [column('a', 'int32'), column('b', 'int32')], key }), topic);
    await registry.register(`${topic}-key`, keyOf([0]));
    await expect(registry.register(`${topic}-key`, keyOf([0, 1]))).rejects.toMatchObject({ code: 'SCHEMA_INCOMPATIBLE' });
  });
});

describe('a registry', () => {
  /** Answers all requests alike; tells what it was asked. */
  async function withServer<T>(
    status: number | (() => number),
    body: string,
    use: (address: string, requests: readonly IncomingMessage[]) => Promise<T>,
  ): Promise<T> {
    const requests: IncomingMessage[] = [];
    const server = createServer((request, response) => {
      requests.push(request);
      response.writeHead(typeof status === 'number' ? status : status(), { 'content-type': 'application/json' }).end(body);
    });
    const listening = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', () => listening.resolve());
    await listening.promise;
    try {
      return await use(`127.0.0.1:${(server.address() as AddressInfo).port}`, requests);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }

  const topic = 'shop.public.t';
  const calls: readonly (readonly [what: string, call: (registry: Registry) => Promise<unknown>])[] = [
    ['ping', (registry) => registry.ping()],
    ['register', (registry) => registry.register('s-value', envelopeOf(topic))],
    ['schema', (registry) => registry.schema(1)],
  ];

  for (const [what, call] of calls) {
    test(`that is down is REGISTRY_UNAVAILABLE: ${what}`, async () => {
      const gone = await withServer(200, '', async (address) => address);
      await expect(call(registryOf({ SCHEMA_REGISTRY_URL: `http://${gone}` }))).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE', action: 'retry' });
    });

    test(`that answers something else is REGISTRY_UNAVAILABLE: ${what}`, async () => {
      for (const [status, body] of [
        [500, '{}'],
        [502, '<html>'],
        [200, '<html>'],
      ] as const) {
        await withServer(status, body, async (address) => {
          await expect(call(registryOf({ SCHEMA_REGISTRY_URL: `http://${address}` }))).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
        });
      }
    });

    test(`that refuses the login is AUTH_FAILED, and the password is not said: ${what}`, async () => {
      for (const status of [401, 403]) {
        await withServer(status, '{"error_code":40101,"message":"no"}', async (address) => {
          const registry = registryOf({ SCHEMA_REGISTRY_URL: `http://anna:geheim@${address}` });
          await expect(call(registry)).rejects.toMatchObject({ code: 'AUTH_FAILED', message: expect.not.stringContaining('geheim') });
        });
      }
    });
  }

  test('is asked with the login of its address, or of the settings, which win', async () => {
    await withServer(200, '[]', async (address, requests) => {
      await registryOf({ SCHEMA_REGISTRY_URL: `http://anna:ge%40heim@${address}/` }).ping();
      await registryOf({ SCHEMA_REGISTRY_URL: `http://anna:x@${address}`, SCHEMA_REGISTRY_USERNAME: 'bert', SCHEMA_REGISTRY_PASSWORD: 'y' }).ping();
      const logins = requests.map(({ headers }) => Buffer.from(headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString());
      expect(logins).toEqual(['anna:ge@heim', 'bert:y']);
      expect(requests.map((request) => request.url)).toEqual(['/subjects', '/subjects']);
    });
  });

  for (const [subject, settings, requests] of [
    ['that is known', '{"compatibilityLevel":"FULL"}', ['GET /config/s%2Fvalue', 'POST /subjects/s%2Fvalue/versions']],
    ['that is new', undefined, ['GET /config/s%2Fvalue', 'POST /subjects/s%2Fvalue/versions', 'PUT /config/s%2Fvalue']],
  ] as const) {
    test(`is asked no more than it takes to register under a subject ${subject}, each time with the login`, async () => {
      const asked: string[] = [];
      const server = createServer((request, response) => {
        asked.push(`${request.method} ${request.url}`);
        expect(request.headers.authorization).toBe(`Basic ${Buffer.from('anna:geheim').toString('base64')}`);
        const isUnset = request.method === 'GET' && settings === undefined;
        response.writeHead(isUnset ? 404 : 200).end(request.method === 'POST' ? '{"id":7}' : (settings ?? '{}'));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = `http://anna:geheim@127.0.0.1:${(server.address() as AddressInfo).port}`;
      expect(await registryOf({ SCHEMA_REGISTRY_URL: address }).register('s/value', envelopeOf(topic))).toBe(7);
      server.closeAllConnections();
      server.close();
      expect(asked).toEqual(requests);
    });
  }

  test('is asked again after an answer that failed', async () => {
    const topic = newTopic();
    const id = await registryOf().register(`${topic}-value`, envelopeOf(topic));
    const answers = [500, 200];
    await withServer(
      () => answers.shift() ?? 404,
      '{"schema":"\\"string\\""}',
      async (address) => {
        const registry = registryOf({ SCHEMA_REGISTRY_URL: `http://${address}` });
        await expect(registry.schema(id)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
        expect(await registry.schema(id)).toBe('string');
        expect(await registry.schema(id)).toBe('string');
      },
    );
  });
});
