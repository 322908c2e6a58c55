/**
 * Several texts in Prometheus' format as one. The format wants all samples of a metric together under one HELP and one
 * TYPE; each text has its metrics whole, so those of one name are joined.
 */
export function mergeMetricsTexts(texts: readonly string[]): string {
  const families = new Map<string, { readonly head: string[]; readonly samples: string[] }>();
  let family: { readonly head: string[]; readonly samples: string[] } | undefined;
  let isKnown = false;
  for (const line of texts.flatMap((text) => text.split('\n'))) {
    const name = /^# HELP (\S+)/.exec(line)?.[1];
    if (name !== undefined) {
      family = families.get(name);
      isKnown = family !== undefined;
      family ??= { head: [], samples: [] };
      families.set(name, family);
    }
    if (line.startsWith('#')) {
      if (!isKnown) family?.head.push(line);
    } else if (line !== '') family?.samples.push(line);
  }
  return [...families.values()].map(({ head, samples }) => [...head, ...samples, ''].join('\n')).join('\n');
}
