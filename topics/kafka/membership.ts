import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import type { Broker, Cluster } from './kafkajs-internals.ts';

/** kafkajs' member of a consumer group, as far as it is used here. */
export interface Group {
  readonly cluster: Cluster & { targetTopics: Set<string> };
  readonly coordinator: Broker & GroupRequests;
  readonly groupId: string;
  readonly offsetManager: OffsetManager;
  readonly retrier: <T>(attempt: (bail: (error: unknown) => void) => Promise<T>) => Promise<T>;
  topicsSubscribed: string[];
  topicConfigurations: Record<string, { readonly fromBeginning: boolean }>;
  assigned(): readonly { readonly topic: string; readonly partitions: readonly number[] }[];
  seek(place: { readonly topic: string; readonly partition: number; readonly offset: string }): void;
}

interface GroupRequests {
  offsetFetch(request: { readonly groupId: string; readonly topics: readonly AskedTopic[] }): Promise<{ readonly responses: readonly OffsetsOfTopic[] }>;
}

interface AskedTopic {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number }[];
}

interface OffsetsOfTopic {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly metadata: string | null }[];
}

/** Offsets of one generation of the group: the broker refuses its commits once there is a later one. */
export interface OffsetManager {
  committedOffsets(): Record<string, Record<number, string>>;
  commitOffsets(offsets: {
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly metadata: string | null }[];
    }[];
  }): Promise<void>;
}

/** What a member does around joining its group. */
export interface MembershipHooks {
  /** Before it asks to join: may change what it subscribes to. Nothing is fetched meanwhile. */
  beforeJoin(group: Group): Promise<void>;
  /** Once it has partitions, and before any of them is read. */
  afterJoin(group: Group): Promise<void>;
  /** Whether it is to join anew instead of fetching on. */
  wantsToJoin(): boolean;
}

interface ConsumerGroupPrototype {
  joinAndSync: (this: HookedGroup) => Promise<void>;
  fetch: (this: HookedGroup, nodeId: number) => Promise<unknown>;
  recoverFromFetch: (this: HookedGroup, error: { readonly type?: string }) => Promise<void>;
  recoverFromOffsetOutOfRange: (this: HookedGroup, error: Error) => Promise<void>;
}

type HookedGroup = Group & { readonly assigners: readonly { readonly hooks?: MembershipHooks }[] };

const require = createRequire(import.meta.url);
/** A broker may still list a topic that another one no longer serves: without a pause all members would join on and on. */
const GONE_PAUSE_MS = 250;

/** The client takes this for the broker's own word, and joins anew. */
function rejoin(reason: string): Error {
  return Object.assign(new Error(reason), { type: 'REBALANCE_IN_PROGRESS', retriable: true });
}

function hooksOf({ assigners }: HookedGroup): MembershipHooks | undefined {
  return assigners.find(({ hooks }) => hooks !== undefined)?.hooks;
}

/**
 * Lets a member change its topics without leaving the group, and decide itself where each partition is read from.
 *
 * kafkajs takes new topics only after leaving, which makes all members join twice; it begins silently at the start of a
 * partition whose committed offset is no longer there; and a deleted topic ends it. Here each of these makes the member
 * join anew, with what `beforeJoin` and `afterJoin` find. The hooks come with the partition assigner, the one thing that
 * goes from kafkajs' users into its group. Mends the kafkajs that is loaded now.
 */
export function hookGroups(): void {
  const { prototype } = require('kafkajs/src/consumer/consumerGroup.js') as { prototype: ConsumerGroupPrototype };
  const { joinAndSync, fetch, recoverFromFetch, recoverFromOffsetOutOfRange } = prototype;
  prototype.joinAndSync = async function () {
    const hooks = hooksOf(this);
    await hooks?.beforeJoin(this);
    await joinAndSync.call(this);
    await hooks?.afterJoin(this);
  };
  prototype.fetch = async function (nodeId) {
    if (hooksOf(this)?.wantsToJoin() === true) throw rejoin('what is to be read has changed');
    return fetch.call(this, nodeId);
  };
  prototype.recoverFromFetch = async function (error) {
    if (hooksOf(this) !== undefined && error.type === 'UNKNOWN_TOPIC_OR_PARTITION') {
      await delay(GONE_PAUSE_MS);
      throw rejoin('a topic is gone');
    }
    return recoverFromFetch.call(this, error);
  };
  prototype.recoverFromOffsetOutOfRange = async function (error) {
    if (hooksOf(this) !== undefined) throw rejoin('an offset is no longer there');
    return recoverFromOffsetOutOfRange.call(this, error);
  };
}
