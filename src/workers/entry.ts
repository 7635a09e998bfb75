/** The worker's program: a source file under plain Node, a file of its own beside the bundle. */
export function workerEntry(): URL {
  return new URL('./worker-main.ts', import.meta.url);
}
