import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Engine } from './engine.ts';
import { createFront } from './server.ts';

/** Started by the stack: `node main.ts <data folder>`, everything else by environment. */
const settings = z
  .object({ FRONT_CHDB_FOLDER: z.string(), FRONT_PORT: z.coerce.number(), FRONT_USER: z.string(), FRONT_PASSWORD: z.string() })
  .parse(process.env);
const folder = z.string().parse(process.argv[2]);

const incomingFolder = join(folder, 'incoming');
rmSync(incomingFolder, { recursive: true, force: true });
mkdirSync(incomingFolder, { recursive: true });

const engine = new Engine(settings.FRONT_CHDB_FOLDER, join(folder, 'data'));
const server = createFront({
  engine,
  version: await engine.version(),
  user: settings.FRONT_USER,
  password: settings.FRONT_PASSWORD,
  incomingFolder,
});
server.listen(settings.FRONT_PORT, '127.0.0.1');

async function stop(): Promise<void> {
  server.close();
  await engine.close();
  process.exit(0);
}

process.once('SIGTERM', () => void stop());
process.once('SIGINT', () => void stop());
