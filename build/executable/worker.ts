/** The program of a worker thread in the executable. */
import { workerData } from 'node:worker_threads';
import { useNativeFolder } from '../../src/util/native-folder.ts';
import '../../src/workers/worker-main.ts';

useNativeFolder((workerData as { nativeFolder: string }).nativeFolder);
