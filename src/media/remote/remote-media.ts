import type { Gates } from '../../governor/gates.ts';
import { limitExceeded, MatrixError, notFound } from '../../protocol/errors.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { MediaContent, MediaStore } from '../../store/media/media-store.ts';
import type { ServerNid } from '../../store/nids.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import { Lru } from '../../util/lru.ts';
import { SharedWork } from '../../util/shared-work.ts';
import type { BlobSink } from '../blob-sink.ts';
import { type DownloadUses, downloadFrom, type Incoming } from './download.ts';
import { ServerSlots } from './server-slots.ts';

export interface RemoteMediaUses extends DownloadUses {
  readonly db: Database;
  readonly store: MediaStore;
  readonly interning: Interning;
  readonly sink: BlobSink;
  readonly clock: Clock;
  readonly log: Log;
  /** Larger files are not fetched, bytes. */
  readonly maxBytes: number;
  readonly gates?: Pick<Gates, 'requireRemoteMedia'>;
}

export interface RemoteWish {
  /** How long a file that was only announced is waited for. */
  readonly wait: Millis;
  /** Whether it may be fetched if it is not kept here. */
  readonly fetch: boolean;
  /** Aborts the waiting; a download that others wait for too goes on. */
  readonly signal: AbortSignal;
}

/** Accesses are noted once in this time, so that looking at pictures writes next to nothing. */
const touchEvery = 3_600_000;
/** A download that takes longer is given up, however steadily it drips. */
const longest = millis(15 * 60_000);
/** Files that are not there are not asked for again for so long; clients ask for a picture with every message. */
const absentFor = 60_000;
/** Answers of that kind remembered, about 200 bytes each. */
const absentKept = 1000;

/** Files of other servers: kept here once somebody has asked for them, until nobody has for long. */
export class RemoteMedia {
  readonly #uses: RemoteMediaUses;
  readonly #slots = new ServerSlots();
  /** As many as the slots let run or wait. */
  readonly #underWay = new SharedWork<string, MediaContent>();
  readonly #aborts = new Set<AbortController>();
  readonly #absent = new Lru<string, Millis>(absentKept);

  constructor(uses: RemoteMediaUses) {
    this.#uses = uses;
  }

  /**
   * A file of another server, fetched from there if it is not kept here.
   * 404 M_NOT_FOUND · 429 M_LIMIT_EXCEEDED · 502 M_TOO_LARGE, M_UNKNOWN · 504 M_NOT_YET_UPLOADED · 507 M_RESOURCE_LIMIT_EXCEEDED
   */
  async find(server: ServerName, mediaId: string, { wait, fetch, signal }: RemoteWish): Promise<MediaContent> {
    const kept = this.#kept(server, mediaId);
    if (kept !== undefined) return kept;
    const key = `${server}/${mediaId}`;
    const absentUntil = this.#absent.get(key);
    const isAbsent = absentUntil !== undefined && absentUntil > this.#uses.clock.now();
    if (!fetch || isAbsent) throw notFound('There is no such file');
    this.#uses.gates?.requireRemoteMedia();
    return unlessGone(
      this.#underWay.run(key, () => this.#fetch(server, mediaId, wait)),
      signal,
    );
  }

  /** Breaks off what is under way. */
  close(): void {
    for (const abort of this.#aborts) abort.abort();
  }

  #kept(server: ServerName, mediaId: string): MediaContent | undefined {
    const { db, store, interning, clock } = this.#uses;
    const nid = interning.findServer(server);
    const row = nid === undefined ? undefined : store.get(nid, mediaId);
    if (nid === undefined || row === undefined || row.content === null) return undefined;
    const now = clock.now();
    if (now - (row.lastAccess ?? 0) >= touchEvery) db.write<void>(() => store.touch(nid, mediaId, now));
    return {
      content: row.content,
      size: row.size ?? 0,
      contentType: row.contentType ?? 'application/octet-stream',
      fileName: row.fileName,
    };
  }

  async #fetch(server: ServerName, mediaId: string, wait: Millis): Promise<MediaContent> {
    const { clock, log } = this.#uses;
    const abort = new AbortController();
    this.#aborts.add(abort);
    const cancel = clock.after(longest, () => abort.abort());
    try {
      const wanted = { server, mediaId, wait, signal: abort.signal };
      const fetched = await this.#slots.run(server, () =>
        downloadFrom(this.#uses, wanted, async (file) => ({ ...(await this.#write(file)), ...metaOf(file) })),
      );
      if (fetched === undefined) throw limitExceeded(5000, 'Too many files are being fetched from other servers');
      this.#keep(server, mediaId, fetched);
      return fetched;
    } catch (problem) {
      if (problem instanceof MatrixError) {
        log.info('media.not_fetched', { server, mediaId, errcode: problem.errcode, cause: problem.cause });
        if (problem.status === 404) this.#absent.set(`${server}/${mediaId}`, millis(clock.now() + absentFor));
      }
      throw problem;
    } finally {
      cancel();
      this.#aborts.delete(abort);
    }
  }

  async #write({ body }: Incoming): Promise<{ content: Buffer; size: number }> {
    const { sink, maxBytes } = this.#uses;
    const upload = await sink.begin();
    try {
      let size = 0;
      for await (const data of body) {
        size += data.length;
        if (size > maxBytes) throw new MatrixError(502, 'M_TOO_LARGE', 'The file is larger than this server fetches');
        await upload.write(data);
      }
      return await upload.finish();
    } catch (problem) {
      await upload.abort();
      throw problem;
    }
  }

  #keep(server: ServerName, mediaId: string, file: MediaContent): void {
    const { db, store, interning, clock } = this.#uses;
    db.write<void>(() => {
      const nid: ServerNid = interning.server(server);
      store.keep(nid, mediaId, clock.now(), file);
    });
  }
}

const metaOf = ({ contentType, fileName }: Incoming) => ({ contentType, fileName });

/** Rejects when the signal aborts; the work goes on for others. */
function unlessGone<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new MatrixError(502, 'M_UNKNOWN', 'The request was broken off'));
    if (signal.aborted) gone();
    signal.addEventListener('abort', gone, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', gone));
  });
}
