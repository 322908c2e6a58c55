import type { Sink } from '../../shared/connector/sink.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { StoredOffset, SubscriberHandlers } from '../../topics/subscriber.ts';

/** The group waits for us meanwhile, so it must not take long. */
const READ_WITHIN_MS = 3000;

/** What the subscriber asks of the checkpoints that a target keeps; nothing of a sink whose target keeps none. */
export function storedOffsetsOf({ checkpoints }: Sink, log: Logger): Pick<SubscriberHandlers, 'storedOffsets' | 'forgetStored'> {
  if (checkpoints === undefined) return {};
  return {
    forgetStored: async (topics) => checkpoints.forget(topics),
    storedOffsets: async (topics) => {
      const late = Promise.withResolvers<'late'>();
      const timer = setTimeout(() => late.resolve('late'), READ_WITHIN_MS);
      try {
        const found = await Promise.race([checkpoints.read(topics), late.promise]);
        if (found !== 'late')
          return found.flatMap(({ topic, topicId, offsets }) =>
            [...offsets].map(([partition, offset]): StoredOffset => ({ topic, topicId, partition, offset })),
          );
        log.warn('the target does not say in time how far its rows go: going on with the offsets of the group');
      } catch (error) {
        log.warn({ err: error }, 'the target does not say how far its rows go: going on with the offsets of the group');
      } finally {
        clearTimeout(timer);
      }
      return [];
    },
  };
}
