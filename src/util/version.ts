import manifest from '../../package.json' with { type: 'json' };
import { type Millis, millis } from './brand.ts';

/** Set by the build, if it knows. */
declare const HEARTH_COMMIT: string | undefined;
declare const HEARTH_COMMITTED: number | undefined;

/** The release, `0.1.0`. */
export const version: string = manifest.version;

/** The commit that this was built from; empty when run from source or built from an archive. */
export const commit: string = typeof HEARTH_COMMIT === 'string' ? HEARTH_COMMIT : '';

/** When that commit was made, in milliseconds since the Unix epoch; 0 likewise. */
export const built: Millis = millis(typeof HEARTH_COMMITTED === 'number' ? HEARTH_COMMITTED : 0);
