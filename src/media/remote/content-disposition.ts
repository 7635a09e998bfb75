/** As long as the names that our own users may give their files. */
const maxNameLength = 255;

/**
 * The file name in a `Content-Disposition` header of another server, its folders cut off; `undefined` without one.
 * @see https://datatracker.ietf.org/doc/html/rfc6266
 */
export function fileNameIn(disposition: string | undefined): string | undefined {
  if (disposition === undefined || disposition.length > 4096) return undefined;
  const name = extendedName(disposition) ?? plainName(disposition);
  const own = name?.split(/[/\\]/).at(-1);
  // Control characters would end up in headers.
  const clean = own === undefined ? '' : own.toWellFormed().replaceAll(/[\u0000-\u001f\u007f]/g, '');
  return clean === '' ? undefined : clean.slice(0, maxNameLength);
}

function extendedName(disposition: string): string | undefined {
  const encoded = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(disposition)?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

function plainName(disposition: string): string | undefined {
  const [, quoted, plain] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))/i.exec(disposition) ?? [];
  return quoted?.replaceAll(/\\(.)/g, '$1') ?? plain;
}
