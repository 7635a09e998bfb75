/**
 * Types that a browser only ever shows as what they say they are, so they may be shown in place.
 * @see https://spec.matrix.org/v1.19/client-server-api/#serving-inline-content
 */
const inlineTypes = new Set([
  'text/css',
  'text/plain',
  'text/csv',
  'application/json',
  'application/ld+json',
  'image/jpeg',
  'image/gif',
  'image/png',
  'image/apng',
  'image/webp',
  'image/avif',
  'video/mp4',
  'video/webm',
  'video/ogg',
  'video/quicktime',
  'audio/mp4',
  'audio/webm',
  'audio/aac',
  'audio/mpeg',
  'audio/ogg',
  'audio/wave',
  'audio/wav',
  'audio/x-wav',
  'audio/x-pn-wav',
  'audio/flac',
  'audio/x-flac',
]);

const fallbackType = 'application/octet-stream';

/** What an uploader's Content-Type is kept as: anything that is not a plain media type becomes unspecific bytes. */
export function keptContentType(header: string | undefined): string {
  if (header === undefined || header.length > 255) return fallbackType;
  return /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?: *; *[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[\w !#$&^.+/:=-]*"))*$/.test(header)
    ? header
    : fallbackType;
}

/** The `Content-Disposition` for a file: shown in place only where that is safe, its name in RFC 6266's two forms. */
export function dispositionOf(contentType: string, fileName: string | undefined): string {
  const essence = (contentType.split(';')[0] as string).trim().toLowerCase();
  const kind = inlineTypes.has(essence) ? 'inline' : 'attachment';
  if (fileName === undefined || fileName === '') return kind;
  if (/^[\w.-]+$/.test(fileName)) return `${kind}; filename=${fileName}`;
  if (/^[\x20-\x7e]+$/.test(fileName)) return `${kind}; filename="${fileName.replace(/["\\]/g, '\\$&')}"`;
  return `${kind}; filename*=utf-8''${encodeExtended(fileName)}`;
}

/** RFC 5987's ext-value: percent-encoded but for its attr-char. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /['()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Headers that every file goes out with: it may neither run scripts nor be taken for another type. */
export const fileHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';",
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'private, max-age=31536000, immutable',
  'Accept-Ranges': 'bytes',
};

export interface ByteRange {
  /** First byte, and the one after the last. */
  readonly from: number;
  readonly to: number;
}

/**
 * The one range that a `Range` header asks for; `undefined`: send all (no header, several ranges, another unit);
 * `unsatisfiable`: 416.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = header === undefined ? null : /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (match === null) return undefined;
  const [, first, last] = match as unknown as [string, string, string];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { from: size - length, to: size };
  }
  const from = Number(first);
  const to = last === '' ? size : Math.min(Number(last) + 1, size);
  if (last !== '' && Number(last) < from) return undefined;
  return from >= size ? 'unsatisfiable' : { from, to };
}
