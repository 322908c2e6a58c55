import { expect, test } from 'vitest';
import { environmentOfSettings } from './container-plans.ts';
import { engineAddresses } from './docker.ts';

test.each([
  [{ DOCKER_HOST: 'unix:///x/docker.sock' }, [{ socketPath: '/x/docker.sock' }]],
  [{ DOCKER_HOST: 'tcp://engine:2376' }, [{ host: 'engine', port: 2376 }]],
  [
    { XDG_RUNTIME_DIR: '/run/user/7' },
    [
      { socketPath: '/var/run/docker.sock' },
      { socketPath: '/home/me/.docker/run/docker.sock' },
      { socketPath: '/home/me/.docker/desktop/docker.sock' },
      { socketPath: '/run/user/7/docker.sock' },
    ],
  ],
])('a container engine is looked for by %j', (env, expected) => {
  expect(engineAddresses(env, '/home/me', undefined)).toEqual(expected);
});

test('settings of the broker become the variables that its image reads', () => {
  expect(environmentOfSettings({ 'auto.create.topics.enable': false, 'node.id': 1 })).toEqual({ KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false', KAFKA_NODE_ID: '1' });
});
