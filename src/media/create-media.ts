import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { FederationClient } from '../federation/client.ts';
import type { Gates } from '../governor/gates.ts';
import type { OutboundHttp } from '../outbound/outbound-http.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import { BlobReader } from '../store/media/blob-reader.ts';
import type { Stores } from '../store/stores.ts';
import { millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import type { WorkerPool } from '../workers/worker-pool.ts';
import { helperCommand } from './helper-command.ts';
import { Media } from './media.ts';
import { RemoteMedia } from './remote/remote-media.ts';
import { RemoteMediaPruning } from './remote/remote-media-pruning.ts';
import { Thumbnailer } from './thumbnailer.ts';
import { Thumbnails } from './thumbnails.ts';
import { UploadWaiters } from './upload-waiters.ts';
import { WorkerBlobSink } from './worker-blob-sink.ts';

export interface MediaUses {
  readonly db: Database;
  readonly stores: Pick<Stores, 'media' | 'interning'>;
  readonly workers: WorkerPool;
  readonly serverName: ServerName;
  readonly config: Pick<Config, 'dataDir' | 'media'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly gates?: Gates;
  /** Asks other servers for their files. */
  readonly client: Pick<FederationClient, 'stream'>;
  /** Follows where they send us. */
  readonly outbound: Pick<OutboundHttp, 'open'>;
}

export interface MediaServices {
  readonly media: Media;
  readonly thumbnails: Thumbnails;
  /** Bytes that nothing names any more stay until the returned function is called: for a backup. */
  pauseDeletion(): () => void;
  /** Forgets files of other servers that nobody looks at. */
  readonly pruning: RemoteMediaPruning;
  /** Breaks off downloads from other servers, ends the helper process and closes media.db. */
  closeMedia(): void;
}

/** The specification's suggestion for how long an announced upload is waited for. */
const reservation = millis(24 * 3_600_000);
const maxPending = 10;

export function createMedia(uses: MediaUses): MediaServices {
  const { db, stores, workers, serverName, config, clock, random } = uses;
  const log = uses.log.child('media');
  const file = join(config.dataDir, 'media.db');
  const reader = new BlobReader(file);
  const sink = new WorkerBlobSink({ workers, file, clock });
  const thumbnailer = new Thumbnailer({ command: helperCommand(), clock, log });
  const store = stores.media;
  const server = { name: serverName, nid: db.write(() => stores.interning.server(serverName)) };
  const limits = { maxUpload: config.media.maxUploadMb * 1_000_000, reservation, maxPending };
  const waiters = new UploadWaiters(clock);
  const kept = { db, store, sink, clock };
  const { interning } = stores;
  const remote = new RemoteMedia({ ...uses, ...kept, interning, log, maxBytes: limits.maxUpload });
  return {
    media: new Media({ db, store, reader, sink, remote, waiters, server, limits, clock, random }),
    thumbnails: new Thumbnails({
      db,
      store,
      reader,
      sink,
      thumbnailer,
      maxPixels: config.media.maxImageMegapixels * 1_000_000,
    }),
    pauseDeletion: () => sink.pauseDeletion(),
    pruning: new RemoteMediaPruning({
      ...kept,
      maxAge: config.media.remoteMaxAge,
      maxBytes: config.media.remoteMaxMb === undefined ? undefined : config.media.remoteMaxMb * 1_000_000,
    }),
    closeMedia() {
      remote.close();
      thumbnailer.close();
      reader.close();
    },
  };
}
