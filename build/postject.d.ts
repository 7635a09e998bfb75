declare module 'postject' {
  /** Adds a note segment with `contents` to an executable file and switches on the fuse in it. */
  export function inject(
    file: string,
    name: string,
    contents: Buffer,
    options: { readonly sentinelFuse: string },
  ): Promise<void>;
}
