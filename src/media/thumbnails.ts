import { limitExceeded, MatrixError, tooLarge } from '../protocol/errors.ts';
import type { Database } from '../store/db.ts';
import type { BlobReader } from '../store/media/blob-reader.ts';
import type { MediaStore, ThumbnailKey } from '../store/media/media-store.ts';
import type { BlobSink } from './blob-sink.ts';
import type { MediaFile } from './media.ts';
import { sizeFor, type ThumbnailSize } from './thumbnail-size.ts';
import type { Thumbnailer } from './thumbnailer.ts';

/** A picture is handed to the helper whole, so its file may not be of any size. */
const maxPictureBytes = 32 * 1024 * 1024;

interface ThumbnailParts {
  readonly db: Database;
  readonly store: MediaStore;
  readonly reader: BlobReader;
  readonly sink: BlobSink;
  readonly thumbnailer: Thumbnailer;
  /** Larger pictures get no thumbnail. */
  readonly maxPixels: number;
}

export interface WantedThumbnail extends ThumbnailSize {
  readonly animated: boolean;
  /** Whether the file is of another server. */
  readonly remote?: boolean;
}

/** Thumbnails: made once, kept like any other file. */
export class Thumbnails {
  readonly #parts: ThumbnailParts;

  constructor(parts: ThumbnailParts) {
    this.#parts = parts;
  }

  /**
   * The thumbnail of a file, or the file itself where it is no larger.
   * @throws M_UNKNOWN 400 not a picture that thumbnails can be made of · M_TOO_LARGE 413 too many bytes or pixels, 502
   * where the file is another server's
   */
  async of(file: MediaFile, wanted: WantedThumbnail): Promise<MediaFile> {
    const size = sizeFor(wanted);
    if (size === undefined) return file;
    const key: ThumbnailKey = { ...size, content: file.content, animated: wanted.animated };
    const kept = this.#parts.store.thumbnail(key);
    if (kept !== undefined) return { ...kept, fileName: undefined };
    if (file.size > maxPictureBytes) throw pictureTooLarge(wanted);
    return this.#make(file, key, { ...wanted, ...size });
  }

  async #make(file: MediaFile, key: ThumbnailKey, size: WantedThumbnail): Promise<MediaFile> {
    const { db, store, thumbnailer, maxPixels } = this.#parts;
    const outcome = await thumbnailer.make(() => this.#wholePicture(file), size, maxPixels);
    switch (outcome.kind) {
      case 'busy':
        throw limitExceeded(5000);
      case 'failed':
        if (/pixel limit/.test(outcome.reason)) throw pictureTooLarge(size);
        throw new MatrixError(400, 'M_UNKNOWN', 'No thumbnail can be made of this file', { cause: outcome.reason });
      case 'original':
        db.write(() => store.putThumbnail(key, file));
        return file;
      case 'made': {
        const made = { ...(await this.#keep(outcome.data)), contentType: outcome.contentType };
        db.write(() => store.putThumbnail(key, made));
        return { ...made, fileName: undefined };
      }
    }
  }

  #wholePicture(file: MediaFile): Buffer {
    return Buffer.concat([...(this.#parts.reader.read(file.content, 0, file.size) ?? [])]);
  }

  async #keep(data: Buffer): Promise<{ content: Buffer; size: number }> {
    const upload = await this.#parts.sink.begin();
    await upload.write(data);
    return upload.finish();
  }
}

/** The request is no fault of the client's where another server has the file. */
function pictureTooLarge({ remote }: WantedThumbnail): MatrixError {
  const message = 'The picture is too large for a thumbnail';
  return remote === true ? new MatrixError(502, 'M_TOO_LARGE', message) : tooLarge(message);
}
