/** Stands in for sharp's search for its native part. */
import { loadNative } from './native-parts.ts';

/** Set by the build: the path that sharp's own package has, because it finds libvips relative to it. */
declare const SHARP_ADDON: string;

export const addon = loadNative('sharp', SHARP_ADDON) as { readonly _isUsingX64V2: () => boolean };

if (process.arch === 'x64' && !addon._isUsingX64V2()) {
  throw new Error('thumbnails need a processor with SSE 4.2 (x86-64-v2)');
}
