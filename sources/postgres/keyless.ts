import type { TableProgress } from '../../shared/connector/source.ts';
import { formatBigLsn, parseLsn } from './parser.ts';
import type { TableView } from './table-view.ts';
import { isVisible, parseVisibility, type Visibility } from './visibility.ts';

/** Which changes the pass over a table without a key has seen: those must not come a second time from the stream. */
export interface Barrier {
  /** Later commits are not in it; transaction numbers alone would mean others after a wrap-around. */
  readonly position: string;
  readonly visibility: Visibility;
}

/** As the table's progress keeps it. */
export function toNote({ lsn, snapshot }: TableView): string {
  return `${lsn} ${snapshot}`;
}

export function barrierOf(progress: TableProgress | undefined): Barrier | undefined {
  if (progress?.note == null) return undefined;
  const [lsn = '', snapshot = ''] = progress.note.split(' ');
  return { position: formatBigLsn(parseLsn(lsn)), visibility: parseVisibility(snapshot) };
}

export function isBehind(barrier: Barrier, xid: number, commitPosition: string): boolean {
  return commitPosition <= barrier.position && isVisible(barrier.visibility, xid);
}
