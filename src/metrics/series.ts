/** Label values in the order of the metric's label names. */
export type Labels = readonly string[];

/** Most series of one metric: labels come from our own lists, and a mistake there must not fill the memory. */
const maxSeries = 2000;

/** A metric that can write itself in the text format of Prometheus. */
export interface Metric {
  lines(): Iterable<string>;
}

interface About {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** Counts events that were measured by how long they took; upper bounds of the buckets in seconds, ascending. */
export class Histogram implements Metric {
  readonly #about: About;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { labels: Labels; counts: number[]; sum: number; count: number }>();

  constructor(about: About, bounds: readonly number[]) {
    this.#about = about;
    this.#bounds = bounds;
  }

  observe(value: number, labels: Labels = []): void {
    const key = labels.join('\n');
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= maxSeries) return;
      series = { labels, counts: this.#bounds.map(() => 0), sum: 0, count: 0 };
      this.#series.set(key, series);
    }
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.sum += value;
    series.count++;
  }

  *lines(): Generator<string> {
    const { name, labels: names = [] } = this.#about;
    yield* head(this.#about, 'histogram');
    for (const { labels, counts, sum, count } of this.#series.values()) {
      let below = 0;
      for (const [index, bound] of this.#bounds.entries()) {
        below += counts[index] ?? 0;
        yield `${name}_bucket${labelText([...names, 'le'], [...labels, String(bound)])} ${below}`;
      }
      yield `${name}_bucket${labelText([...names, 'le'], [...labels, '+Inf'])} ${count}`;
      yield `${name}_sum${labelText(names, labels)} ${sum}`;
      yield `${name}_count${labelText(names, labels)} ${count}`;
    }
  }
}

/** A value that is looked up when somebody asks; with labels: one for each entry. */
export class Gauge implements Metric {
  readonly #about: About;
  readonly #read: () => number | undefined | Iterable<readonly [Labels, number]>;

  constructor(about: About, read: () => number | undefined | Iterable<readonly [Labels, number]>) {
    this.#about = about;
    this.#read = read;
  }

  *lines(): Generator<string> {
    const value = this.#read();
    if (value === undefined) return;
    const { name, labels = [] } = this.#about;
    yield* head(this.#about, 'gauge');
    const entries = typeof value === 'number' ? [[[], value] as const] : value;
    for (const [values, number] of entries) yield `${name}${labelText(labels, values)} ${number}`;
  }
}

function head({ name, help }: About, type: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function labelText(names: readonly string[], values: Labels): string {
  if (names.length === 0) return '';
  const quoted = names.map((name, index) => {
    const value = (values[index] ?? '').replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
    return `${name}="${value}"`;
  });
  return `{${quoted.join(',')}}`;
}
