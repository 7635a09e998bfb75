import type { RequestMeter } from '../api/app.ts';
import type { Governor } from '../governor/governor.ts';
import type { Level } from '../governor/levels.ts';
import { CountStore, fileSizes } from '../store/counts.ts';
import type { Database } from '../store/db.ts';
import type { Clock } from '../util/clock.ts';
import { familyText, Histogram, histogramText, type Sample } from '../util/metrics.ts';
import { version } from '../util/version.ts';

export interface MetricsUses {
  readonly db: Database;
  readonly dataDir: string;
  readonly serverName: string;
  readonly clock: Clock;
  readonly governor: Pick<Governor, 'condition'>;
}

/** Most of what is asked is answered within a few milliseconds; long polls take half a minute. */
const requestBounds = [0.002, 0.01, 0.05, 0.25, 1, 5, 30];
const queryBounds = [0.0001, 0.001, 0.01, 0.1, 1];

const levels: readonly Level[] = ['easy', 'tight', 'critical'];

/** How often the delay of the event loop is looked at, in milliseconds. */
const delayResolution = 20;

/** What `/metrics` tells. Costs nothing until it is made, which it is only where the configuration asks for it. */
export class Metrics implements Disposable, RequestMeter {
  readonly clock: Clock;
  readonly #uses: MetricsUses;
  readonly #counts: CountStore;
  readonly #requests = new Histogram(requestBounds);
  readonly #queries = new Histogram(queryBounds);
  readonly #delay;

  constructor(uses: MetricsUses) {
    this.#uses = uses;
    this.clock = uses.clock;
    this.#counts = new CountStore(uses.db);
    this.#delay = process.getBuiltinModule('node:perf_hooks').monitorEventLoopDelay({ resolution: delayResolution });
    this.#delay.enable();
    uses.db.timeQueries((kind, seconds) => this.#queries.observe(seconds, { kind }));
  }

  /** A request was answered. `path` is the endpoint's template, so there are no more of them than endpoints. */
  requestDone(method: string, path: string, outcome: { readonly status: number; readonly seconds: number }): void {
    this.#requests.observe(outcome.seconds, { method, path, status: `${Math.floor(outcome.status / 100)}xx` });
  }

  text(): string {
    return [
      ...this.#process(),
      ...this.#database(),
      ...this.#condition(),
      histogramText('hearth_request_seconds', 'How long requests took until their answer was ready.', this.#requests),
      histogramText('hearth_query_seconds', 'How long statements of the database took.', this.#queries),
    ].join('');
  }

  [Symbol.dispose](): void {
    this.#delay.disable();
    this.#uses.db.timeQueries(undefined);
  }

  #process(): string[] {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const delay = this.#delay;
    const delays: Sample[] = [
      ...[50, 99].map((part) => ({ labels: { quantile: String(part / 100) }, value: delay.percentile(part) / 1e9 })),
      { labels: { quantile: '1' }, value: delay.max / 1e9 },
    ];
    delay.reset();
    return [
      gauge('hearth_info', 'Which server this is.', 1, { version, server_name: this.#uses.serverName }),
      gauge('hearth_uptime_seconds', 'Time since the start.', process.uptime()),
      gauge('process_resident_memory_bytes', 'Memory in RAM.', rss),
      gauge('hearth_heap_used_bytes', 'JavaScript heap in use.', heapUsed),
      gauge('hearth_heap_total_bytes', 'JavaScript heap.', heapTotal),
      gauge('hearth_external_bytes', 'Memory of buffers and the like.', external),
      counter('process_cpu_seconds_total', 'CPU time.', (user + system) / 1e6),
      familyText({
        name: 'hearth_event_loop_delay_seconds',
        help: 'How late timers were since the last look; their own interval included.',
        kind: 'gauge',
        samples: delays,
      }),
    ];
  }

  #condition(): string[] {
    const { memory, disk, budget, pressure, diskFree } = this.#uses.governor.condition;
    return [
      gauge('hearth_memory_level', 'Memory: 0 easy, 1 tight, 2 critical.', levels.indexOf(memory)),
      gauge('hearth_disk_level', 'Disk: 0 easy, 1 tight, 2 critical.', levels.indexOf(disk)),
      gauge('hearth_memory_budget_bytes', 'Memory that the process aims to stay within.', budget),
      ...(pressure === undefined
        ? []
        : [gauge('hearth_memory_pressure_percent', 'Time in which something waited for memory.', pressure)]),
      ...(diskFree === undefined
        ? []
        : [gauge('hearth_disk_free_bytes', 'What may still be written to the disk of the data.', diskFree)]),
    ];
  }

  #database(): string[] {
    const { db, dataDir } = this.#uses;
    const counts = this.#counts.counts();
    const { files, spool } = fileSizes(dataDir);
    return [
      gauge('hearth_accounts', 'Accounts.', counts.accounts),
      gauge('hearth_rooms', 'Rooms that are known.', counts.rooms),
      counter('hearth_events_total', 'Events ever stored.', counts.events),
      familyText({
        name: 'hearth_queue_length',
        help: 'What waits to be worked off.',
        kind: 'gauge',
        samples: [
          { labels: { queue: 'deferred_events' }, value: counts.deferredEvents },
          { labels: { queue: 'rooms_being_joined' }, value: counts.roomsBeingJoined },
          { labels: { queue: 'rooms_given_up' }, value: counts.roomsGivenUp },
          { labels: { queue: 'waiting_servers' }, value: counts.waitingServers },
          { labels: { queue: 'device_messages' }, value: counts.waitingDeviceMessages },
          { labels: { queue: 'checkpoint_frames' }, value: db.uncheckpointed },
        ],
      }),
      familyText({
        name: 'hearth_file_bytes',
        help: 'Size of files in the data folder.',
        kind: 'gauge',
        samples: files.map(({ file, bytes }) => ({ labels: { file }, value: bytes })),
      }),
      gauge('hearth_spool_bytes', 'Bytes that wait on disk to be worked through.', spool),
    ];
  }
}

function gauge(name: string, help: string, value: number, labels: Readonly<Record<string, string>> = {}): string {
  return familyText({ name, help, kind: 'gauge', samples: [{ value, labels }] });
}

function counter(name: string, help: string, value: number): string {
  return familyText({ name, help, kind: 'counter', samples: [{ value }] });
}
