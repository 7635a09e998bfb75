/**
 * Loaded into a server before its own program (`NODE_OPTIONS=--require`): what each turn of its main thread takes. A timer
 * that is always due comes around once a turn, so what the thread has worked between two of them is one turn's work, or
 * that of a few short ones. Written down as JSON when the process ends: turns of `least` milliseconds of CPU time and
 * more, with the moment they ended (ms since 1970), CPU time, time of the clock and garbage collection. JavaScript, as what strips
 * types would count to the server's memory.
 */
import { writeFileSync } from 'node:fs';
import { PerformanceObserver, performance } from 'node:perf_hooks';

const file = process.env.TURN_METER_FILE;
const least = 10;
const most = 10_000;

if (file !== undefined) {
  const turns = [];
  const pauses = [];
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) pauses.push({ start: startTime, duration });
    if (pauses.length > 200) pauses.splice(0, pauses.length - 200);
  }).observe({ entryTypes: ['gc'] });
  let cpu = threadCpu();
  let wall = performance.now();
  setInterval(() => {
    const start = wall;
    const before = cpu;
    cpu = threadCpu();
    wall = performance.now();
    if (cpu - before < least || turns.length === most) return;
    const turn = { at: performance.timeOrigin + wall, cpu: cpu - before, wall: wall - start };
    const end = wall;
    // Pauses are told a turn later.
    setTimeout(() => {
      const within = pauses.filter((pause) => pause.start >= start && pause.start < end);
      turns.push({ ...turn, gc: within.reduce((sum, { duration }) => sum + duration, 0) });
    }, 20).unref();
  }, 1).unref();
  process.on('exit', () => writeFileSync(file, JSON.stringify(turns)));
}

/** Milliseconds that this thread has worked. */
function threadCpu() {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
