import { createRequire } from 'node:module';

interface Connection {
  connect(): Promise<boolean>;
}

const require = createRequire(import.meta.url);

/**
 * Two requests that find a connection of kafkajs closed each open a socket, and the first one is never closed: the
 * process does not end. Here the second one waits for the first one's. Mends the kafkajs that is loaded now.
 */
export function shareConnects(): void {
  const { prototype } = require('kafkajs/src/network/connection.js') as { prototype: Connection };
  const original = Object.getOwnPropertyDescriptor(prototype, 'connect')?.value as (this: Connection) => Promise<boolean>;
  const underWay = new WeakMap<Connection, Promise<boolean>>();
  prototype.connect = function (this: Connection) {
    let connecting = underWay.get(this);
    if (connecting === undefined) {
      connecting = original.call(this).finally(() => underWay.delete(this));
      underWay.set(this, connecting);
    }
    return connecting;
  };
}
