import { mkdirSync } from 'node:fs';
import { AdminSocket } from '../api/admin/socket.ts';
import type { Config, Listener } from '../config/config.ts';
import type { LoadResult } from '../config/load.ts';
import { describeProblem, type Problem } from '../config/problems.ts';
import { isClockSynchronised, systemReadings } from '../governor/readings.ts';
import { createHomeserver } from '../homeserver.ts';
import { ProcessLock } from '../store/process-lock.ts';
import { systemClock } from '../util/clock.ts';
import { isDiskFull } from '../util/disk-full.ts';
import type { Log } from '../util/log.ts';
import { createPinoLog } from '../util/pino-log.ts';
import { version } from '../util/version.ts';
import { CommandFailed } from './arguments.ts';
import { certificateUsers, openListeners, placeOf } from './listeners.ts';
import { Certificates } from './service/certificates.ts';
import { reload } from './service/reload.ts';
import { ServiceManager } from './service/service-manager.ts';
import { adminSocketPath } from './socket-client.ts';

interface RunOptions {
  readonly notes: readonly Problem[];
  /** Tell a newcomer what to do next. */
  readonly greet: boolean;
  /** The configuration as it is now, when SIGHUP asks for it. */
  readonly readAgain: () => LoadResult;
}

/** Runs the server of a configuration until SIGTERM or SIGINT. */
export async function runServer(config: Config, { notes, greet, readAgain }: RunOptions): Promise<void> {
  const log = createPinoLog({ level: config.log.level, clock: systemClock });
  for (const note of notes) log.warn('config.not_used', { note: describeProblem(note) });
  makeDataDir(config.dataDir);
  using lock = ProcessLock.take(config.dataDir);
  if (!lock) throw new CommandFailed(`Another process works on ${config.dataDir} already.`, 'busy');

  surviveFullDisk(log);
  const manager = new ServiceManager({ env: process.env, pid: process.pid, clock: systemClock, log });
  // Told to stop while it starts, it stops once it has started.
  const stopped = untilStopped(log);
  await using homeserver = await createHomeserver(config, {
    log,
    readings: systemReadings(config.dataDir),
    isClockSynchronised,
    onFatal: () => process.exit(1),
  });
  // Whatever fails from here on, what is open already is closed, else the process would never end.
  await using doors = new AsyncDisposableStack();
  const socketPath = adminSocketPath(config.dataDir);
  doors.adopt(await AdminSocket.listen(socketPath, homeserver.admin, log), (socket) => socket.close());
  const listeners = await openListeners(
    config.listen,
    { ...homeserver, clock: systemClock, log },
    config.memory.budgetMb,
  );
  doors.defer(async () => void (await Promise.all(listeners.map((listener) => listener.close()))));
  const { metricsApp } = homeserver;
  if (metricsApp) {
    const [listener] = await openListeners(
      [metricsListener(config)],
      { ...homeserver, app: metricsApp, clock: systemClock, log },
      config.memory.budgetMb,
    );
    doors.defer(() => listener?.close());
    log.info('metrics.ready', { listen: placeOf({ ...config.metrics, port: listener?.port ?? config.metrics.port }) });
  }
  const certificates = new Certificates(certificateUsers(listeners, config.listen), { clock: systemClock, log });
  doors.defer(() => certificates.close());
  const onHangUp = () =>
    reload({
      read: readAgain,
      settings: homeserver.settings,
      log,
      setLogLevel: (level) => log.setLevel(level),
      reloadCertificates: () => certificates.check(),
    });
  // It stays to the end: without it the signal would end the process in the middle of stopping.
  process.on('SIGHUP', onHangUp);
  const addresses = listeners.map((listener, index) => {
    const { address = '', port = 0 } = config.listen[index] ?? {};
    return placeOf({ address, port: listener.port ?? port });
  });
  log.info('server.ready', { version, serverName: config.serverName, listen: addresses });
  if (config.federation.enabled && config.federation.notaries.length === 0) {
    log.info('federation.no_notary', {
      effect: 'Keys of servers that are gone cannot be had; see federation.notaries',
    });
  }
  if (greet) process.stdout.write(greeting(config, addresses[0] ?? ''));
  manager.ready(`${config.serverName} at ${addresses.join(', ')}`);
  await stopped;
  // Nothing waits for systemd to have heard it.
  void manager.stopping();
}

/** What nobody waits for may find the disk full at any moment: that ends nothing. Whatever else nobody has caught ends the process. */
function surviveFullDisk(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.error(isDiskFull(error) ? 'server.disk_full' : 'server.failed', { error });
    if (!isDiskFull(error)) process.exit(1);
  });
}

function metricsListener({ metrics: { address, port } }: Config): Listener {
  return { address, port, tls: 'off', tlsCert: undefined, tlsKey: undefined, certificates: [], serves: ['admin'] };
}

function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CommandFailed(`data_dir cannot be made: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Resolves at the first SIGTERM or SIGINT; the second one ends the process at once. */
function untilStopped(log: Log): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        log.info('server.stopping', { signal });
        resolve();
      });
    }
  });
}

function greeting(config: Config, address: string): string {
  return [
    `Hearth runs as "${config.serverName}" at http://${address}, with its data in ${config.dataDir}`,
    'The first user, in a second terminal:  npm run hearth -- user add alice --admin',
    `Then log in with any Matrix client:     homeserver http://${address}, user alice`,
    '',
  ].join('\n');
}
