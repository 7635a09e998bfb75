import manifest from '../../package.json' with { type: 'json' };

/** Set by the build, if it knows. */
declare const HEARTH_COMMIT: string | undefined;

/** The release, `0.1.0`. */
export const version: string = manifest.version;

/** The commit that this was built from; empty when run from source or built from an archive. */
export const commit: string = typeof HEARTH_COMMIT === 'string' ? HEARTH_COMMIT : '';
