/** Where uploads go: the one writer of media.db, in a worker. */
export interface BlobSink {
  begin(): Promise<BlobUpload>;
  /** Finished blobs after `nid` and older than `createdBefore` (ms since the epoch), for the sweep. */
  page(nid: number, createdBefore: number, limit: number): Promise<{ nid: number; content: Buffer }[]>;
  /** Deletes those of them that are still older than `createdBefore`. */
  delete(contents: readonly Buffer[], createdBefore: number): Promise<void>;
}

export interface BlobUpload {
  /** Takes the bytes over; resolves when the writer is ready for more. */
  write(data: Buffer): Promise<void>;
  /** Resolves when the bytes are safe on disk. */
  finish(): Promise<{ readonly content: Buffer; readonly size: number }>;
  abort(): Promise<void>;
}
