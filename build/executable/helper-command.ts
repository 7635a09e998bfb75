/** Stands in for `src/media/helper-command.ts`: the picture helper is this executable in another role. */
import type { HelperCommand } from '../../src/media/thumbnailer.ts';
import { nativeFolder } from '../../src/util/native-folder.ts';
import { thumbnailRole } from './roles.ts';

export function helperCommand(): HelperCommand {
  return { program: process.execPath, args: [thumbnailRole, nativeFolder()] };
}
