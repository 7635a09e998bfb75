/**
 * `npm run bench:size`: what the executables cost that were built: bytes on disk for each, and for this machine's one the time
 * to the first answer and the memory of an idle server. Prints a Markdown table for docs/benchmarks.md.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dropFromCache } from './page-cache.ts';

const out = fileURLToPath(new URL('../../build/out/', import.meta.url));
const native = join(out, `hearth-linux-${process.arch}`);
const starts = 7;
const settling = 12_000;

interface Started {
  readonly pid: number;
  readonly firstAnswerMs: number;
  readonly stop: () => Promise<void>;
}

/** From the start of the process until an answer has come in whole. */
async function start(folder: string): Promise<Started> {
  const config = join(folder, 'hearth.toml');
  writeFileSync(config, `server_name = "a.org"\ndata_dir = ${JSON.stringify(folder)}\n[[listen]]\nport = 0\n`);
  const began = performance.now();
  const child = spawn(native, ['serve', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const port = await new Promise<string>((resolve, reject) => {
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      const found = /"listen":\["127\.0\.0\.1:(\d+)"\]/.exec(log)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => reject(new Error(`the server ended: ${log}`)));
  });
  const answer = await fetch(`http://127.0.0.1:${port}/_matrix/client/versions`);
  await answer.arrayBuffer();
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  return { pid: child.pid ?? 0, firstAnswerMs: performance.now() - began, stop };
}

function memoryOf(pid: number): Readonly<Record<'Rss' | 'Pss' | 'Anonymous', number>> {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const value = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? Number.NaN);
  return { Rss: value('Rss') * 1024, Pss: value('Pss') * 1024, Anonymous: value('Anonymous') * 1024 };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

const folder = mkdtempSync(join(tmpdir(), 'hearth-size-'));
try {
  dropFromCache(native);
  const cold = await start(folder);
  await cold.stop();
  const warm: number[] = [];
  for (let turn = 0; turn < starts; turn++) {
    const server = await start(folder);
    warm.push(server.firstAnswerMs);
    await server.stop();
  }
  const idle = await start(folder);
  await new Promise((done) => setTimeout(done, settling));
  const memory = memoryOf(idle.pid);
  await idle.stop();

  console.log(
    '| executable | MB on disk | first answer ms, new data | first answer ms | RSS MB | PSS MB | unreclaimable MB |',
  );
  console.log('|---|---|---|---|---|---|---|');
  for (const arch of ['x64', 'arm64', 'armv7']) {
    const file = join(out, `hearth-linux-${arch}`);
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined) continue; // there was no compiler for it
    const measured = [
      cold.firstAnswerMs.toFixed(0),
      median(warm).toFixed(0),
      megabytes(memory.Rss),
      megabytes(memory.Pss),
      megabytes(memory.Anonymous),
    ];
    const figures = file === native ? measured : measured.map(() => '–');
    console.log(`| ${[basename(file), megabytes(size), ...figures].join(' | ')} |`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
