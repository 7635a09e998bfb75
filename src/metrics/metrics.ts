import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Meter } from '../util/meter.ts';
import { version } from '../util/version.ts';
import { Gauge, Histogram, type Metric } from './series.ts';

/** What is read from the server when somebody asks for the figures. */
export interface MetricSources {
  /** Bytes. */
  readonly database: () => { readonly file: number; readonly free: number };
  /** Pages that wait in the write-ahead log. */
  readonly walPages: () => number;
  readonly rooms: () => number;
  /** How much waits, by queue. */
  readonly queues: Readonly<Record<string, () => number>>;
}

type Delay = ReturnType<typeof monitorEventLoopDelay>;

const requestBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const transactionBounds = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
/** In milliseconds: how often the delay of the event loop is sampled. */
const resolution = 20;

/**
 * The figures of the server in the text format of Prometheus. Written by hand: the usual library takes 22 MB when
 * loaded. Delays are those since the last look.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export class Metrics implements Meter {
  readonly #requests = new Histogram(
    {
      name: 'hearth_http_request_seconds',
      help: 'Time from a request to the head of its answer; /sync waits for news.',
      labels: ['route', 'method', 'status'],
    },
    requestBounds,
  );
  readonly #transactions = new Histogram(
    { name: 'hearth_db_transaction_seconds', help: 'Time of database transactions.', labels: ['kind'] },
    transactionBounds,
  );
  readonly #delay: Delay;
  readonly #metrics: readonly Metric[];

  constructor(sources: MetricSources) {
    this.#delay = monitorEventLoopDelay({ resolution });
    this.#delay.enable();
    this.#metrics = [...processMetrics(this.#delay), this.#requests, this.#transactions, ...serverMetrics(sources)];
  }

  request(route: string, method: string, status: number, seconds: number): void {
    this.#requests.observe(seconds, [route, method, `${Math.floor(status / 100)}xx`]);
  }

  transaction(kind: 'read' | 'write', seconds: number): void {
    this.#transactions.observe(seconds, [kind]);
  }

  text(): string {
    const lines: string[] = [];
    for (const metric of this.#metrics) lines.push(...metric.lines());
    this.#delay.reset();
    return `${lines.join('\n')}\n`;
  }

  close(): void {
    this.#delay.disable();
  }
}

function processMetrics(delay: Delay): Metric[] {
  const quantiles = ['50', '90', '99', '100'] as const;
  return [
    new Gauge({ name: 'hearth_info', help: 'The release.', labels: ['version', 'node'] }, () => [
      [[version, process.versions.node], 1],
    ]),
    new Gauge({ name: 'process_resident_memory_bytes', help: 'Memory of the process.' }, () =>
      process.memoryUsage.rss(),
    ),
    new Gauge({ name: 'process_cpu_seconds_total', help: 'CPU time of the process.' }, () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    }),
    new Gauge({ name: 'hearth_heap_bytes', help: 'The JavaScript heap.', labels: ['kind'] }, () => {
      const { heapUsed, heapTotal, external } = process.memoryUsage();
      return [
        [['used'], heapUsed],
        [['total'], heapTotal],
        [['external'], external],
      ];
    }),
    new Gauge({ name: 'hearth_event_loop_delay_seconds', help: 'Delay of the event loop.', labels: ['quantile'] }, () =>
      quantiles.map((each) => [[String(Number(each) / 100)], delay.percentile(Number(each)) / 1e9] as const),
    ),
  ];
}

function serverMetrics({ database, walPages, rooms, queues }: MetricSources): Metric[] {
  return [
    new Gauge({ name: 'hearth_db_bytes', help: 'Size of hearth.db.', labels: ['kind'] }, () => {
      const { file, free } = database();
      return [
        [['file'], file],
        [['free'], free],
      ];
    }),
    new Gauge({ name: 'hearth_db_wal_pages', help: 'Pages in the write-ahead log.' }, walPages),
    new Gauge({ name: 'hearth_rooms', help: 'Rooms that this server holds state of.' }, rooms),
    new Gauge({ name: 'hearth_queue_length', help: 'What waits to be done.', labels: ['queue'] }, () =>
      Object.entries(queues).map(([name, length]) => [[name], length()] as const),
    ),
  ];
}
