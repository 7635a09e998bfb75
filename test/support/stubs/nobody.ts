import type { FederationClient } from '../../../src/federation/client.ts';
import { RemoteDirectory } from '../../../src/federation/remote-directory.ts';
import type { Transport } from '../../../src/federation/transport.ts';
import { failure } from '../../../src/outbound/types.ts';

/** Calls to other servers, none of which is there. */
export const nobodyClient: Pick<FederationClient, 'call' | 'stream'> = {
  call: async ({ server }) => ({ ok: false, server, kind: 'unreachable', retryable: true, detail: 'nobody is there' }),
  stream: async ({ server }) => ({
    ok: false,
    server,
    kind: 'unreachable',
    retryable: true,
    detail: 'nobody is there',
  }),
};

/** The network below them, as empty. */
export const nobodyTransport: Transport = {
  send: async () => failure('connection', 'nobody is there'),
};

export const nobodysDirectory = new RemoteDirectory(nobodyClient);
