import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { connectionsFor, HttpListener, type ListenOptions, type ServerTools } from '../api/http/server.ts';
import { isSocketPath } from '../config/checks.ts';
import type { Listener } from '../config/config.ts';
import { CommandFailed } from './arguments.ts';
import { type CertificateUser, readCertificates } from './service/certificates.ts';

/** Opens every listener of the configuration, or none: throws `CommandFailed` that names the address. */
export async function openListeners(
  listeners: readonly Listener[],
  tools: ServerTools,
  budgetMb: number,
): Promise<HttpListener[]> {
  const open: HttpListener[] = [];
  for (const listener of listeners) {
    try {
      open.push(await openListener(listener, tools, connectionsFor(budgetMb)));
    } catch (error) {
      await Promise.all(open.map((each) => each.close()));
      throw new CommandFailed(`Cannot listen on ${placeOf(listener)}: ${reasonOf(error)}`, 'cannot_listen');
    }
  }
  return open;
}

/** `127.0.0.1:8008`, `[::1]:8008`, or the path of a socket. */
export function placeOf({ address, port }: Pick<Listener, 'address' | 'port'>): string {
  if (isSocketPath(address)) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

async function openListener(listener: Listener, tools: ServerTools, connections: number): Promise<HttpListener> {
  const { address, port, serves } = listener;
  if (isSocketPath(address)) removeSocket(address);
  const opened = await HttpListener.listen({ address, port, serves, connections, ...tlsOf(listener) }, tools);
  // The proxy in front runs as another user; it is let in by the socket's group.
  if (isSocketPath(address)) chmodSync(address, 0o660);
  return opened;
}

function tlsOf(listener: Listener): Pick<ListenOptions, 'tls'> {
  const files = certificateFiles(listener);
  return files ? { tls: readCertificates(files) } : {};
}

function certificateFiles({ tls, tlsCert, tlsKey, certificates }: Listener): CertificateUser['files'] | undefined {
  if (tls !== 'files' || tlsCert === undefined || tlsKey === undefined) return undefined;
  return [{ cert: tlsCert, key: tlsKey }, ...certificates];
}

/** Those of the opened listeners that have their certificates from files. */
export function certificateUsers(open: readonly HttpListener[], listeners: readonly Listener[]): CertificateUser[] {
  return listeners.flatMap((listener, index) => {
    const files = certificateFiles(listener);
    if (!files) return [];
    const use: CertificateUser['use'] = (certificates) => open[index]?.useCertificates(certificates);
    return [{ place: placeOf(listener), files, use }];
  });
}

/** Takes away what a killed server left; anything but a socket stays, and listening fails on it. */
function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return 'another program listens there already';
  if (code === 'EACCES') return 'that is not allowed to this user';
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address';
  return error.message;
}
