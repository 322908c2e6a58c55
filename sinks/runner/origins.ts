import type { Delivery, RefusedRecord } from '../../topics/subscriber.ts';

/** Where the records of a batch came from: looked up for the few that are refused, so nothing is kept a record. */
export class Origins {
  readonly #deliveries: Pick<Delivery, 'partition' | 'origins'>[] = [];

  add(delivery: Pick<Delivery, 'partition' | 'origins'>): void {
    this.#deliveries.push(delivery);
  }

  /** Of the record at that place of the batch. */
  at(place: number): RefusedRecord {
    let rest = place;
    for (const { partition, origins } of this.#deliveries) {
      const origin = origins.at(rest);
      if (origin !== undefined) return { partition, origin };
      rest -= origins.length;
    }
    throw new RangeError(`a batch has no record ${place}`);
  }

  find(partition: unknown, offset: unknown): RefusedRecord | undefined {
    for (const delivery of this.#deliveries) {
      if (delivery.partition !== partition) continue;
      for (const origin of delivery.origins) if (origin.offset === offset) return { partition: delivery.partition, origin };
    }
    return undefined;
  }
}
