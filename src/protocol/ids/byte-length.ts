/** The limit of every identifier and of the string fields of an event, in bytes of UTF-8. */
export const MAX_ID_BYTES = 255;

/** Whether the UTF-8 of `text` takes at most `limit` bytes. */
export function fitsBytes(text: string, limit = MAX_ID_BYTES): boolean {
  // A UTF-16 unit takes one to three bytes: most texts are decided by their length.
  if (text.length > limit) return false;
  return text.length * 3 <= limit || Buffer.byteLength(text) <= limit;
}
