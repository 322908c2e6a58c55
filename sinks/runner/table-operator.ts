import { toCdcError } from '../../shared/errors/cdc-error.ts';
import type { Logger } from '../../shared/observe/log.ts';
import type { DeadLetterQueue } from '../../topics/dead-letters.ts';
import type { RefusedRecord, Subscriber } from '../../topics/subscriber.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { SinkControl, TableControl } from './sink-control.ts';

export interface OperatorParts {
  readonly lanes: Lanes;
  readonly subscriber: Subscriber;
  readonly deadLetters: DeadLetterQueue;
  readonly control: SinkControl;
  readonly log: Logger;
}

/** Lets tables go on that have stopped, as operators ask for it. */
export class TableOperator implements TableControl {
  readonly #parts: OperatorParts;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
  }

  async resume(topic: string): Promise<string | undefined> {
    const lane = this.#parts.lanes.all.get(topic);
    if (lane === undefined || lane.partitions === 0) return `this process has no partition of ${topic}`;
    if (lane.state !== 'stopped') return `${topic} is not stopped in this process`;
    this.#goOn(lane);
    return undefined;
  }

  async skip(topic: string): Promise<string | undefined> {
    const lane = this.#parts.lanes.all.get(topic);
    if (lane?.state !== 'stopped') return `${topic} is not stopped in this process`;
    const { blocked } = lane;
    if (blocked === undefined) return `it is not one record that stopped ${topic}: put right what the error names, then resume`;
    try {
      await this.#setAside(lane, blocked);
    } catch (error) {
      return toCdcError(error).message;
    }
    // Meanwhile the group may have given the partition to another process, which then has the record before it.
    if (lane.blocked === blocked) this.#goOn(lane);
    return undefined;
  }

  async #setAside({ topic, error }: Lane, blocked: RefusedRecord): Promise<void> {
    const { deadLetters, subscriber, log } = this.#parts;
    const { partition, origin } = blocked;
    const { offset, key, value } = origin;
    await deadLetters.put([{ topic, partition, offset, key, value, error: toCdcError(error) }]);
    log.warn({ topic, partition, offset, deadLetters: deadLetters.topic }, 'a record was set aside, as it was asked for');
    subscriber.skip(topic, blocked);
  }

  #goOn(lane: Lane): void {
    const { subscriber, control, log } = this.#parts;
    lane.restart();
    // The target may have been put right in a way that has to be looked at again.
    lane.schema = undefined;
    subscriber.restart(lane.topic, lane.places());
    if (control.isPaused) subscriber.hold(lane.topic);
    log.info({ topic: lane.topic }, 'this table goes on');
  }
}
