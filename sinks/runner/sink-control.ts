/** What operators may ask of the tables of a running sink. Each gives what stands against it; undefined when it is done. */
export interface TableControl {
  /** Reads a stopped table again from where it is written up to. */
  resume(topic: string): Promise<string | undefined>;
  /** Sets the record that stopped a table aside, to the dead letters, and goes on behind it. */
  skip(topic: string): Promise<string | undefined>;
}

const NO_RUN = 'the sink is not connected at the moment: ask again once it is';

/** Lets operators hold the flow of whatever run is under way, and let tables go on. */
export class SinkControl implements TableControl {
  isPaused = false;
  onChange: () => void = () => undefined;
  tables: TableControl | undefined;

  set(isPaused: boolean): void {
    this.isPaused = isPaused;
    this.onChange();
  }

  async resume(topic: string): Promise<string | undefined> {
    return this.tables === undefined ? NO_RUN : this.tables.resume(topic);
  }

  async skip(topic: string): Promise<string | undefined> {
    return this.tables === undefined ? NO_RUN : this.tables.skip(topic);
  }
}
