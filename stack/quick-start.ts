import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cacheFolder, provide } from './cache.ts';
import { lastLines, startChild, untilReady } from './child.ts';
import type { Java } from './download.ts';
import { endProcess } from './process.ts';
import type { LocalService, LocalServiceContext } from './service.ts';
import { messageOf } from './stack-error.ts';

const TRAINING_MS = 60_000;

/**
 * JVM flags that load a server's classes from an archive instead of from its jars: half of the time, and of the
 * processor, that Kafka and the registry take to start (3.4 and 4.4 s without, 2.1 and 2.4 s with it). The archive is
 * made once for each version of Java, by starting the server and ending it again; not in the run that downloads the
 * server, which is long enough. Without one a start is only slower.
 */
export async function quickStartFlags(options: {
  readonly name: string;
  readonly title: string;
  readonly mayTrain: boolean;
  readonly java: Java;
  readonly context: LocalServiceContext;
  readonly make: (folder: string, flags: readonly string[]) => Promise<LocalService>;
}): Promise<string[]> {
  const { title, context, make } = options;
  const name = `${options.name}-classes-${createHash('sha256').update(options.java.version).digest('hex').slice(0, 8)}`;
  if (!options.mayTrain && !existsSync(join(cacheFolder(), name))) return [];
  const folder = await provide(name, async (temporary) => {
    context.onProgress(`${title}: preparing quicker starts, once …`);
    const training = join(context.folder, 'training');
    await mkdir(training);
    try {
      await train(await make(training, ['-XX:TieredStopAtLevel=1', `-XX:ArchiveClassesAtExit=${join(temporary, 'classes.jsa')}`]), context);
    } catch (error) {
      context.onProgress(`${title}: starts stay slower (${messageOf(error)})`);
    }
    await rm(training, { recursive: true, force: true });
  });
  const archive = join(folder, 'classes.jsa');
  return existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off'] : [];
}

async function train(service: LocalService, { helpers }: LocalServiceContext): Promise<void> {
  const child = startChild(service.command, service.logFile, helpers.record);
  try {
    await untilReady({ title: service.title, ready: service.ready, withinMs: TRAINING_MS, ending: child.ending, lastWords: () => lastLines(service.logFile) });
  } finally {
    await endProcess(child.mark, 'SIGTERM', TRAINING_MS);
    while (child.ending() === undefined) await delay(10);
    helpers.gone(child.mark);
  }
}
