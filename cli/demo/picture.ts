import { styleText } from 'node:util';
import { formatCount } from '../terminal.ts';

/** What the screen shows at a moment. */
export interface Scene {
  readonly phase: string;
  readonly seconds: number;
  readonly hint: string;
  readonly parts: readonly PartView[];
  readonly tables: readonly TableView[];
}

export interface PartView {
  readonly title: string;
  readonly state: string;
  readonly unit: string;
  readonly total: number;
  readonly perSecond: number;
  readonly sparkline: string;
  readonly lagSeconds: number | undefined;
}

export interface TableView {
  readonly table: string;
  /** Rows in the source and in each target, in the order of `COLUMNS`; undefined where not known yet. */
  readonly rows: readonly (number | undefined)[];
}

const COLUMNS = ['PostgreSQL', 'ClickHouse', 'PostgreSQL copy'];

const PICTURE = [
  '                                                ┌──▶ sink ──▶ ClickHouse',
  '  PostgreSQL ──▶ source ──▶ Kafka ──────────────┤',
  '                                                └──▶ sink ──▶ PostgreSQL copy',
];

const LEGEND: readonly (readonly [name: string, what: string])[] = [
  ['PostgreSQL', 'an order shop that is open: people buy, pay, cancel and review'],
  ['source', "reads the database's log and publishes each change once, as Avro"],
  ['Kafka', 'keeps the changes, one topic a table, for whoever wants to read them'],
  ['sinks', 'keep the tables of two other databases equal to the shop'],
];

/** What each part is. The picture comes with each scene where scenes are drawn. */
export function drawIntroduction(hasScenes: boolean): string {
  const legend = LEGEND.map(([name, what]) => `  ${styleText('bold', name.padEnd(11))} ${what}`);
  return [...(hasScenes ? [] : ['', ...PICTURE]), '', ...legend, ''].join('\n');
}

/** The whole screen as text; colours only where the terminal has them. */
export function drawScene(scene: Scene): string {
  const clock = `${Math.floor(scene.seconds / 60)}:${String(Math.floor(scene.seconds % 60)).padStart(2, '0')}`;
  const title = `${styleText('bold', 'dbmazz on Kafka')}  ${styleText('cyan', scene.phase)}  ${clock}`;
  const parts = scene.parts.map(drawPart);
  const head = `  ${'rows in'.padEnd(14)}${COLUMNS.map((name) => name.padStart(17)).join('')}`;
  const tables = scene.tables.map(drawTable);
  return [title, ...PICTURE, '', ...parts, '', styleText('dim', head), ...tables, '', styleText('dim', scene.hint)].join('\n');
}

function drawPart({ title, state, unit, total, perSecond, sparkline, lagSeconds }: PartView): string {
  const rate = `${formatCount(perSecond).padStart(7)} ${unit}/s`;
  const lag = lagSeconds === undefined ? '' : `${lagSeconds.toFixed(1)} s behind`;
  return `  ${styleText('bold', title.padEnd(17))}${rate.padEnd(18)} ${styleText('green', sparkline.padEnd(24))} ${formatCount(total).padStart(11)}  ${state.padEnd(10)} ${lag}`.trimEnd();
}

function drawTable({ table, rows }: TableView): string {
  const [source] = rows;
  const cells = rows.map((count, place) => {
    const text = (count === undefined ? '–' : formatCount(count)).padStart(17);
    return place > 0 && count !== undefined && count === source ? styleText('green', text) : text;
  });
  return `  ${table.padEnd(14)}${cells.join('')}`;
}

/** The same in one line, for a log. */
export function drawLine({ phase, seconds, parts }: Scene): string {
  const what = parts.map(({ title, perSecond, total, unit, lagSeconds }) => {
    const lag = lagSeconds === undefined ? '' : `, ${lagSeconds.toFixed(1)} s behind`;
    return `${title} ${formatCount(perSecond)} ${unit}/s (${formatCount(total)}${lag})`;
  });
  return `[${seconds.toFixed(0).padStart(3)} s] ${phase} · ${what.join(' · ')}`;
}
