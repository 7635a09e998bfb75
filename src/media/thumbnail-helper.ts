import sharp from 'sharp';
import type { JsonObject } from '../util/json.ts';
import { type Frame, readFrames, writeFrame } from './frames.ts';

/**
 * The picture helper's main loop: takes pictures on stdin, answers thumbnails on stdout, ends when stdin ends. A
 * process of its own, so that its memory goes back to the board and a picture that breaks the decoder breaks nothing
 * else.
 */
export function serveThumbnails(): void {
  // One picture at a time, one thread, nothing kept: memory is what the board lacks.
  sharp.concurrency(1);
  sharp.cache(false);
  let last = Promise.resolve();
  readFrames(process.stdin, (frame) => {
    last = last.then(() => answer(frame));
  });
}

async function answer(frame: Frame): Promise<void> {
  try {
    const made = await makeThumbnail(frame.body, frame.head);
    if (made === undefined) writeFrame(process.stdout, { kind: 'original' }, Buffer.alloc(0));
    else writeFrame(process.stdout, { kind: 'made', contentType: made.contentType }, made.data);
  } catch (problem) {
    const reason = problem instanceof Error ? problem.message : String(problem);
    writeFrame(process.stdout, { kind: 'failed', reason }, Buffer.alloc(0));
  }
}

const readable = new Set(['jpeg', 'png', 'gif', 'webp', 'heif', 'tiff']);

/** Undefined where the picture is no larger than the thumbnail would be. */
async function makeThumbnail(
  picture: Buffer,
  head: JsonObject,
): Promise<{ data: Buffer; contentType: string } | undefined> {
  const width = Number(head['width']);
  const height = Number(head['height']);
  const animated = head['animated'] === true;
  const options = { limitInputPixels: Number(head['maxPixels']), failOn: 'error' as const };
  const found = await sharp(picture, options).metadata();
  if (!readable.has(found.format)) throw new Error(`pictures of the kind ${found.format} get no thumbnail`);
  if (found.autoOrient.width <= width && (found.pageHeight ?? found.autoOrient.height) <= height) return undefined;
  const moves = animated && (found.pages ?? 1) > 1;
  const image = sharp(picture, { ...options, animated: moves })
    .autoOrient()
    .resize({
      width,
      height,
      // "scale" leaves at least one side as large as asked for and the other no smaller.
      fit: head['method'] === 'crop' ? 'cover' : 'inside',
      withoutEnlargement: true,
    });
  if (moves) return { data: await image.webp({ quality: 75 }).toBuffer(), contentType: 'image/webp' };
  return found.hasAlpha
    ? { data: await image.png({ compressionLevel: 7 }).toBuffer(), contentType: 'image/png' }
    : { data: await image.jpeg({ quality: 80 }).toBuffer(), contentType: 'image/jpeg' };
}
