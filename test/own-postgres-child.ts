import { OwnPostgres } from './contract/own-postgres.ts';

/** Starts a server, says where, and waits to be killed. */
const server = await OwnPostgres.start();
process.stdout.write(`${JSON.stringify({ url: server.url, file: await server.put('mine', 'text') })}\n`);
setInterval(() => undefined, 60_000);
