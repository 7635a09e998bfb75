/** Native code belongs to the process, so there is one place for it. */
let folder: string | undefined;

/**
 * Names the folder that the single executable puts its native parts into before it loads them. They cannot be loaded
 * from inside a file, and a shared folder such as /tmp would let others change them.
 */
export function useNativeFolder(path: string): void {
  folder = path;
}

/** The folder named before; throws if none was. */
export function nativeFolder(): string {
  if (folder === undefined) throw new Error('no folder for native parts has been named');
  return folder;
}
