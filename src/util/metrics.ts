/** Upper bounds in seconds. Few, because each costs a line for every series. */
export type Bounds = readonly number[];

/** One figure at this moment, with labels that tell it from others of the same name. */
export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets: Float64Array;
  sum: number;
  count: number;
}

/** How often something took how long, for each combination of labels. The caller sees to it that there are few of them. */
export class Histogram {
  readonly #bounds: Bounds;
  readonly #series = new Map<string, Series>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  observe(seconds: number, labels: Readonly<Record<string, string>> = {}): void {
    const key = labelText(labels);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels, buckets: new Float64Array(this.#bounds.length), sum: 0, count: 0 };
      this.#series.set(key, series);
    }
    const bucket = this.#bounds.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) (series.buckets[bucket] as number)++;
    series.sum += seconds;
    series.count++;
  }

  lines(name: string): string[] {
    return [...this.#series.values()].flatMap(({ labels, buckets, sum, count }) => {
      let below = 0;
      const steps = this.#bounds.map((bound, index) => {
        below += buckets[index] ?? 0;
        return line(`${name}_bucket`, { ...labels, le: String(bound) }, below);
      });
      const rest = [line(`${name}_bucket`, { ...labels, le: '+Inf' }, count)];
      return [...steps, ...rest, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, count)];
    });
  }
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly kind: 'gauge' | 'counter';
  readonly samples: readonly Sample[];
}

/** Writes figures in the text format of Prometheus. https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function familyText({ name, help, kind, samples }: Family): string {
  const lines = samples.map(({ labels = {}, value }) => line(name, labels, value));
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...lines, ''].join('\n');
}

export function histogramText(name: string, help: string, histogram: Histogram): string {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...histogram.lines(name), ''].join('\n');
}

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const text = labelText(labels);
  return `${name}${text === '' ? '' : `{${text}}`} ${value}`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(
      ([name, value]) => `${name}="${value.replaceAll(/[\\"\n]/g, (sign) => (sign === '\n' ? '\\n' : `\\${sign}`))}"`,
    )
    .join(',');
}
