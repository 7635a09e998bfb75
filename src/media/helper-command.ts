import { fileURLToPath } from 'node:url';
import type { HelperCommand } from './thumbnailer.ts';

/** The picture helper runs by the same Node as the server, with the flags that keep it small. */
export function helperCommand(): HelperCommand {
  const entry = fileURLToPath(new URL('./thumbnail-main.ts', import.meta.url));
  return { program: process.execPath, args: ['--optimize-for-size', '--no-maglev', '--max-semi-space-size=1', entry] };
}
