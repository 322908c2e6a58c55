export interface Bar {
  readonly label: string;
  readonly value: number;
}

const WIDTH = 760;
const LABEL_WIDTH = 190;
const BAR_HEIGHT = 26;
const GAP = 10;
const TOP = 44;

/** Horizontal bars as an SVG that needs nothing else. */
export function buildBarChart(title: string, bars: readonly Bar[]): string {
  const largest = Math.max(...bars.map(({ value }) => value));
  const height = TOP + bars.length * (BAR_HEIGHT + GAP) + GAP;
  const lines = bars.map(({ label, value }, index) => {
    const y = TOP + index * (BAR_HEIGHT + GAP);
    const width = Math.max(1, ((WIDTH - LABEL_WIDTH - 110) * value) / largest);
    const middle = y + BAR_HEIGHT / 2 + 5;
    return `  <text x="${LABEL_WIDTH - 10}" y="${middle}" text-anchor="end">${escape(label)}</text>
  <rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="3" fill="${label.startsWith('Debezium') ? '#b8bec7' : label.startsWith('pg_') ? '#8fa8c8' : '#e2632a'}"/>
  <text x="${(LABEL_WIDTH + width + 8).toFixed(1)}" y="${middle}">${Math.round(value).toLocaleString('en')}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="14" fill="#24292f">
  <rect width="100%" height="100%" fill="#ffffff"/>
  <text x="16" y="26" font-size="16" font-weight="600">${escape(title)}</text>
${lines.join('\n')}
</svg>
`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
