interface Part {
  readonly state: string;
  /** A Java stack trace, where it failed. */
  readonly trace?: string;
}

/** What the worker answers to `GET /connectors/<name>/status`. */
interface ConnectorStatus {
  readonly connector: Part;
  readonly tasks: readonly Part[];
}

export interface StatusSummary {
  readonly hasTask: boolean;
  /** Why the connector or a task of it has stopped for good, if one has. */
  readonly failure: string | undefined;
}

export function parseStatus(text: string): StatusSummary {
  const { connector, tasks } = JSON.parse(text) as ConnectorStatus;
  const failed = [connector, ...tasks].find(({ state }) => state === 'FAILED');
  return { hasTask: tasks.length > 0, failure: failed === undefined ? undefined : rootCause(failed.trace ?? 'no reason given') };
}

/** Of a Java stack trace; Connect's and Debezium's own wrappers around it say nothing. */
function rootCause(trace: string): string {
  const causes = [...trace.matchAll(/^Caused by: (.*)$/gm)];
  return causes.at(-1)?.[1] ?? trace.split('\n', 1)[0] ?? trace;
}
