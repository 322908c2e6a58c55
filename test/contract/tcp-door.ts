import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../../stack/ports.ts';

/** An address behind which a server stands, once the door is open. Closed, nobody answers. */
export class TcpDoor implements AsyncDisposable {
  readonly port: number;
  readonly #host: string;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  /** `address`: host:port. */
  static async to(address: string): Promise<TcpDoor> {
    const [host = '', port = ''] = address.split(':');
    return new TcpDoor(await freePort(), host, Number(port));
  }

  private constructor(port: number, host: string, target: number) {
    this.port = port;
    this.#host = host;
    this.#target = target;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    this.#server = createServer((socket) => this.#join(socket, connect(this.#target, this.#host)));
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    await closed;
  }

  #join(...sockets: readonly [Socket, Socket]): void {
    const [inner, outer] = sockets;
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => this.#sockets.delete(from));
      from.pipe(to);
    }
  }
}
