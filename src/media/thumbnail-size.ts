export type ThumbnailMethod = 'crop' | 'scale';

export interface ThumbnailSize {
  readonly width: number;
  readonly height: number;
  readonly method: ThumbnailMethod;
}

/**
 * The sizes that are made, smallest first: the specification's five. A request gets the next larger one, so that
 * nobody can have a thumbnail stored for every number of pixels there is.
 * @see https://spec.matrix.org/v1.19/client-server-api/#thumbnails
 */
const made: readonly ThumbnailSize[] = [
  { width: 32, height: 32, method: 'crop' },
  { width: 96, height: 96, method: 'crop' },
  { width: 320, height: 240, method: 'crop' },
  { width: 640, height: 480, method: 'crop' },
  { width: 800, height: 600, method: 'crop' },
  { width: 320, height: 240, method: 'scale' },
  { width: 640, height: 480, method: 'scale' },
  { width: 800, height: 600, method: 'scale' },
];

/**
 * The size to make for a request: no side smaller than asked for. Undefined where the request is larger than all that
 * are made: then the original is the answer, since no thumbnail may be smaller than requested.
 */
export function sizeFor(wanted: ThumbnailSize): ThumbnailSize | undefined {
  // A crop of another shape would cut off what the requester wanted to see.
  const fits = (size: ThumbnailSize): boolean =>
    size.method === wanted.method && size.width >= wanted.width && size.height >= wanted.height;
  if (wanted.method === 'scale') return made.find(fits);
  const square = made.find((size) => fits(size) && sameShape(size, wanted));
  return square ?? exactCrop(wanted);
}

function sameShape(a: ThumbnailSize, b: ThumbnailSize): boolean {
  return Math.abs(a.width / a.height - b.width / b.height) < 0.1;
}

/** A crop of a shape of its own, its sides rounded up to multiples of 32, so that there are not too many. */
function exactCrop(wanted: ThumbnailSize): ThumbnailSize | undefined {
  const up = (side: number): number => Math.ceil(side / 32) * 32;
  const size = { width: up(wanted.width), height: up(wanted.height), method: wanted.method };
  return size.width > 800 || size.height > 800 ? undefined : size;
}
