import { BlobWriter, type WrittenBlob } from '../store/media/blob-writer.ts';

/** What the writer of media.db can be asked for. `file` is media.db's path. */
export type MediaRequest =
  | { readonly op: 'begin'; readonly file: string; readonly created: number }
  | { readonly op: 'append'; readonly file: string; readonly nid: number; readonly data: Uint8Array }
  | { readonly op: 'finish'; readonly file: string; readonly nid: number; readonly finished: number }
  | { readonly op: 'abort'; readonly file: string; readonly nid: number }
  | {
      readonly op: 'page';
      readonly file: string;
      readonly after: number;
      readonly createdBefore: number;
      readonly limit: number;
    }
  | {
      readonly op: 'delete';
      readonly file: string;
      readonly contents: readonly Uint8Array[];
      readonly createdBefore: number;
    };

export interface MediaAnswer {
  readonly nid?: number;
  readonly written?: WrittenBlob;
  readonly page?: { nid: number; content: Uint8Array }[];
}

// One file in a server; it stays open for the thread's short life.
const writers = new Map<string, BlobWriter>();

export function runMediaJob(request: MediaRequest): MediaAnswer {
  let writer = writers.get(request.file);
  if (writer === undefined) {
    writer = new BlobWriter(request.file);
    writers.set(request.file, writer);
  }
  switch (request.op) {
    case 'begin':
      return { nid: writer.begin(request.created) };
    case 'append':
      writer.append(request.nid, request.data);
      return {};
    case 'finish':
      return { written: writer.finish(request.nid, request.finished) };
    case 'abort':
      writer.abort(request.nid);
      return {};
    case 'page':
      return { page: writer.page(request.after, request.createdBefore, request.limit) };
    case 'delete':
      writer.delete(request.contents, request.createdBefore);
      return {};
  }
}

/** Closes what is open, so that media.db's log is folded in before the thread ends. */
export function closeMediaWriters(): void {
  for (const writer of writers.values()) writer.close();
  writers.clear();
}
