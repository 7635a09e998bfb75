import type { Config, Listener } from './config.ts';
import type { KeyPath } from './toml-lines.ts';

type Report = (path: KeyPath, message: string) => void;

/** Why a file cannot be read; undefined if it can. */
type Unreadable = (file: string) => string | undefined;

/** The longest path of a unix socket on Linux, without the zero at its end. */
const longestSocketPath = 107;

/** True if the listener's address is the path of a unix socket. */
export function isSocketPath(address: string): boolean {
  return address.startsWith('/');
}

/** What can only be judged with several keys in view. */
export function checkTogether(config: Config, report: Report, unreadable: Unreadable): void {
  if (config.listen.length === 0) report(['listen'], 'at least one listener is needed');
  config.listen.forEach((listener, index) => checkListener(listener, ['listen', index], report));
  checkAddressesDiffer(config.listen, report);
  for (const [path, file] of filesIn(config)) {
    const reason = file === undefined ? undefined : unreadable(file);
    if (reason !== undefined) report(path, `the file "${file}" cannot be read (${reason})`);
  }
  if (config.federation.retryMin > config.federation.retryMax) {
    report(['federation', 'retry_min'], 'must not be longer than federation.retry_max');
  }
  checkMail(config, report);
}

function checkMail({ smtp, publicUrl }: Config, report: Report): void {
  if (smtp.host === undefined) return;
  if (smtp.from === undefined) report(['smtp', 'from'], 'is missing; smtp.host needs it');
  if (publicUrl === undefined) report(['public_url'], 'is missing; links in mails begin with it (smtp.host is set)');
  if (smtp.password !== undefined && smtp.username === undefined) {
    report(['smtp', 'username'], 'is missing; smtp.password needs it');
  }
}

function filesIn(config: Config): [KeyPath, string | undefined][] {
  return [
    ...config.listen.flatMap(({ tls, tlsCert, tlsKey, certificates }, index): [KeyPath, string | undefined][] =>
      tls !== 'files'
        ? []
        : [
            [['listen', index, 'tls_cert'], tlsCert],
            [['listen', index, 'tls_key'], tlsKey],
            ...certificates.flatMap(({ cert, key }, which): [KeyPath, string][] => [
              [['listen', index, 'certificates', which, 'cert'], cert],
              [['listen', index, 'certificates', which, 'key'], key],
            ]),
          ],
    ),
    ...config.federation.customCaFiles.map((file, index): [KeyPath, string] => [
      ['federation', 'custom_ca_files', index],
      file,
    ]),
  ];
}

function checkListener(listener: Listener, path: KeyPath, report: Report): void {
  const onSocket = isSocketPath(listener.address);
  if (onSocket && Buffer.byteLength(listener.address) > longestSocketPath) {
    report([...path, 'address'], `the path of a unix socket may have at most ${longestSocketPath} bytes`);
  }
  if (onSocket && listener.tls !== 'off') report([...path, 'tls'], 'must be "off" on a unix socket');
  if (listener.serves.length === 0) report([...path, 'serves'], 'must name at least one interface');
  if (listener.tls === 'acme') {
    report([...path, 'tls'], '"acme" is not available in this release; use "files", or "off" behind a proxy');
  }
  if (listener.tls === 'files') {
    if (listener.tlsCert === undefined) report([...path, 'tls_cert'], 'is missing; tls = "files" needs it');
    if (listener.tlsKey === undefined) report([...path, 'tls_key'], 'is missing; tls = "files" needs it');
  }
}

function checkAddressesDiffer(listeners: readonly Listener[], report: Report): void {
  const seen = new Set<string>();
  listeners.forEach((listener, index) => {
    if (!isSocketPath(listener.address) && listener.port === 0) return;
    const place = isSocketPath(listener.address) ? listener.address : `${listener.address} port ${listener.port}`;
    if (seen.has(place)) report(['listen', index, 'address'], `another listener is on ${place} already`);
    seen.add(place);
  });
}
