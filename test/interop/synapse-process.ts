import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/servers/server-process.ts';
import type { ThrowAwayCa } from '../support/throw-away-ca.ts';

/** The folder of the Python environment that has Synapse in it; `npm run test:interop` makes it. */
const environment = process.env['SYNAPSE_ENVIRONMENT'];

/** Synapse writes each message to disk in half a dozen transactions, which is no part of what is tested. */
const memory = '/dev/shm';

/** A Synapse in a process of its own on loopback: clients without TLS, other servers with it. */
export class SynapseProcess {
  readonly name: string;
  /** For clients. */
  readonly port: number;
  readonly #dir: string;
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(name: string, port: number, dir: string) {
    this.name = name;
    this.port = port;
    this.#dir = dir;
  }

  /** The last of its log. */
  get log(): string {
    return this.#output;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('Synapse does not run');
    return this.#child.pid;
  }

  /** The server `name`, which listens on `federationPort` for other servers. */
  static async start(ca: ThrowAwayCa, name: string, federationPort: number): Promise<SynapseProcess> {
    const dir = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'synapse-'));
    const port = await freePort();
    const { cert, key } = await ca.issue('127.0.0.1', '127.0.0.2');
    mkdirSync(join(dir, 'media'));
    for (const [file, text] of [
      ['ca.pem', ca.cert],
      ['cert.pem', cert],
      ['key.pem', key],
      ['log.yaml', logging],
      ['homeserver.yaml', JSON.stringify(settings(name, port, federationPort, dir))],
    ] as const) {
      writeFileSync(join(dir, file), text);
    }
    const server = new SynapseProcess(name, port, dir);
    const keys = spawn(python(), server.#arguments('--generate-keys'), { cwd: dir, stdio: 'ignore' });
    await new Promise((done) => keys.once('exit', done));
    await server.start();
    return server;
  }

  /** Starts it, if it does not run; resolves when it answers. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const child = spawn(python(), this.#arguments(), { cwd: this.#dir, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-200_000);
      });
    }
    child.once('exit', () => {
      this.#child = undefined;
    });
    await this.#ready();
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    await gone;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    for (let attempt = 0; attempt < 1200; attempt++) {
      if (this.#child === undefined) throw new Error(`Synapse ended before it was ready:\n${this.#output}`);
      const answer = await fetch(`http://127.0.0.1:${this.port}/_matrix/client/versions`).catch(() => undefined);
      if (answer?.ok === true) return void (await answer.arrayBuffer());
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`Synapse did not get ready:\n${this.#output}`);
  }

  #arguments(...more: string[]): string[] {
    return ['-m', 'synapse.app.homeserver', '--config-path', join(this.#dir, 'homeserver.yaml'), ...more];
  }
}

function python(): string {
  if (environment === undefined) throw new Error('run this by `npm run test:interop`');
  return join(environment, 'bin/python');
}

const logging = `version: 1
formatters: { plain: { format: '%(asctime)s %(name)s %(levelname)s %(message)s' } }
handlers: { console: { class: logging.StreamHandler, formatter: plain } }
root: { level: INFO, handlers: [console] }
disable_existing_loggers: false
`;

const unlimited = { per_second: 10_000, burst_count: 10_000 };

/** JSON is YAML. */
function settings(name: string, port: number, federationPort: number, dir: string): Record<string, unknown> {
  const listener = { bind_addresses: ['127.0.0.1'], type: 'http' };
  return {
    server_name: name,
    pid_file: join(dir, 'synapse.pid'),
    listeners: [
      { ...listener, port, tls: false, resources: [{ names: ['client'] }] },
      { ...listener, port: federationPort, tls: true, resources: [{ names: ['federation'] }] },
    ],
    tls_certificate_path: join(dir, 'cert.pem'),
    tls_private_key_path: join(dir, 'key.pem'),
    federation_custom_ca_list: [join(dir, 'ca.pem')],
    federation_ip_range_blacklist: [],
    ip_range_blacklist: [],
    database: { name: 'sqlite3', args: { database: join(dir, 'homeserver.db') } },
    log_config: join(dir, 'log.yaml'),
    media_store_path: join(dir, 'media'),
    signing_key_path: join(dir, 'signing.key'),
    macaroon_secret_key: 'nobody needs to guess this',
    form_secret: 'nor this',
    // One that was away is asked again as soon as Hearth does it.
    federation: {
      client_timeout: '20s',
      max_short_retries: 1,
      max_long_retries: 1,
      max_long_retry_delay: '1s',
      destination_min_retry_interval: '1s',
      destination_max_retry_interval: '2s',
    },
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    report_stats: false,
    enable_registration: true,
    enable_registration_without_verification: true,
    allow_public_rooms_over_federation: true,
    // Unless it is said who may, nobody may publish a room.
    room_list_publication_rules: [{ action: 'allow' }],
    rc_message: unlimited,
    rc_registration: unlimited,
    rc_login: { address: unlimited, account: unlimited, failed_attempts: unlimited },
    rc_joins: { local: unlimited, remote: unlimited },
    rc_joins_per_room: unlimited,
    rc_invites: { per_room: unlimited, per_user: unlimited, per_issuer: unlimited },
    rc_federation: { window_size: 1000, sleep_limit: 100_000, sleep_delay: 1, reject_limit: 100_000, concurrent: 100 },
    rc_key_requests: unlimited,
    rc_room_creation: unlimited,
    rc_3pid_validation: unlimited,
    rc_presence: { per_user: unlimited },
    rc_delayed_event_mgmt: unlimited,
    rc_media_create: unlimited,
  };
}
