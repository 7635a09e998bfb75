import type { Database } from '../db.ts';
import { DeferredPduStore } from '../rooms/deferred-pdus.ts';
import { DestinationStore } from './destinations.ts';
import { DiscoveryStore } from './discovery.ts';
import { OutgoingStore } from './outgoing.ts';
import { ReceivedTransactionStore } from './received-transactions.ts';
import { RemoteKeyStore } from './remote-keys.ts';
import { RemoteServerStore } from './remote-servers.ts';
import { ServerRooms } from './server-rooms.ts';

/** What is kept of other servers. */
export interface FederationStores {
  readonly remoteServers: RemoteServerStore;
  readonly remoteKeys: RemoteKeyStore;
  readonly discovery: DiscoveryStore;
  readonly serverRooms: ServerRooms;
  readonly outgoing: OutgoingStore;
  readonly destinations: DestinationStore;
  readonly deferredPdus: DeferredPduStore;
  readonly receivedTransactions: ReceivedTransactionStore;
}

export function openFederationStores(db: Database): FederationStores {
  const serverRooms = new ServerRooms(db);
  return {
    remoteServers: new RemoteServerStore(db),
    remoteKeys: new RemoteKeyStore(db),
    discovery: new DiscoveryStore(db),
    serverRooms,
    outgoing: new OutgoingStore(db, serverRooms),
    destinations: new DestinationStore(db),
    deferredPdus: new DeferredPduStore(db),
    receivedTransactions: new ReceivedTransactionStore(db),
  };
}
