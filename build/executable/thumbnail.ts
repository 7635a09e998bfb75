/** The program of the picture helper in the executable. */
import { useNativeFolder } from '../../src/util/native-folder.ts';

useNativeFolder(process.argv[3] ?? '');
// Loaded after the folder is known, because sharp looks for its native part at once.
void import('../../src/media/thumbnail-main.ts');
