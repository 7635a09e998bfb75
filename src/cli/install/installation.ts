import { rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { configPath, executablePath, serviceName, systemFiles } from './layout.ts';
import { put, readIfThere, signed, stateOf } from './own-files.ts';

/** One thing that is done, or would be. */
export interface Step {
  readonly action: 'write' | 'remove' | 'keep' | 'run';
  /** A path or a command line. */
  readonly subject: string;
  readonly why: string;
}

export interface Target {
  /** Empty for this system, else the folder that another one's root is in; then no commands are run. */
  readonly root: string;
  readonly dryRun: boolean;
  readonly run: (program: string, args: readonly string[]) => void;
}

interface Installation {
  readonly target: Target;
  readonly budgetMb: number;
  /** The bytes of the executable; undefined if it lies in its place already. */
  readonly executable: Buffer | undefined;
  /** The first configuration; needed if there is none yet. */
  readonly config: string | undefined;
}

/** Puts everything in place that a service needs, but for what an admin has changed. Answers what was done. */
export function install({ target, budgetMb, executable, config: fresh }: Installation): Step[] {
  const steps = new Steps(target);
  if (executable === undefined) steps.keep(executablePath, 'it is what runs now');
  else steps.write(executablePath, executable, 0o755, 'the program');
  const config = readIfThere(join(target.root, configPath));
  if (config !== undefined) steps.keep(configPath, 'the configuration is yours');
  else if (fresh !== undefined) {
    // Secrets will stand in it: nobody else may read it, not even before its owner is set.
    steps.write(configPath, fresh, 0o600, 'the configuration, yours from now on');
  }
  for (const { path, text, purpose } of systemFiles(budgetMb)) steps.writeOwn(path, signed(text), purpose);
  steps.run('systemd-sysusers', ['/etc/sysusers.d/hearth.conf'], 'makes the user');
  steps.run('systemd-tmpfiles', ['--create', '/etc/tmpfiles.d/hearth.conf'], 'makes the data folder, sets owners');
  steps.run('systemctl', ['daemon-reload'], 'makes systemd read the service');
  return steps.done;
}

/** Takes away what `install` has put in place. The data, the configuration and the user stay. */
export function uninstall(target: Target): Step[] {
  const steps = new Steps(target);
  const files = systemFiles(0);
  const hasService = files.some(
    ({ path }) => path.endsWith(serviceName) && stateOf(join(target.root, path)) !== 'missing',
  );
  if (hasService) steps.run('systemctl', ['disable', '--now', serviceName], 'stops the service for good');
  for (const { path, purpose } of files) steps.removeOwn(path, purpose);
  if (statSync(join(target.root, executablePath), { throwIfNoEntry: false }))
    steps.remove(executablePath, 'the program');
  steps.run('systemctl', ['daemon-reload'], 'makes systemd forget the service');
  if (readIfThere(join(target.root, configPath)) !== undefined) steps.keep(configPath, 'the configuration is yours');
  steps.keep('/var/lib/hearth', 'the data is yours');
  return steps.done;
}

/** Does one step after the other and remembers them; in a dry run it only remembers. */
class Steps {
  readonly done: Step[] = [];
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  keep(subject: string, why: string): void {
    this.done.push({ action: 'keep', subject, why });
  }

  write(path: string, contents: string | Buffer, mode: number, why: string): void {
    if (!this.#target.dryRun) put(join(this.#target.root, path), contents, mode);
    this.done.push({ action: 'write', subject: path, why });
  }

  writeOwn(path: string, text: string, why: string): void {
    const place = join(this.#target.root, path);
    if (stateOf(place) === 'changed') this.keep(path, 'you have changed it');
    else if (readIfThere(place) === text) this.keep(path, 'it is as it should be');
    else this.write(path, text, 0o644, why);
  }

  remove(path: string, why: string): void {
    if (!this.#target.dryRun) rmSync(join(this.#target.root, path));
    this.done.push({ action: 'remove', subject: path, why });
  }

  removeOwn(path: string, why: string): void {
    const place = join(this.#target.root, path);
    const state = stateOf(place);
    if (state === 'changed') this.keep(path, 'you have changed it');
    if (state !== 'ours') return;
    this.remove(path, why);
    if (path.includes('.service.d/') && !this.#target.dryRun) removeIfEmpty(dirname(place));
  }

  run(program: string, args: readonly string[], why: string): void {
    if (this.#target.root !== '') return;
    if (!this.#target.dryRun) this.#target.run(program, args);
    this.done.push({ action: 'run', subject: [program, ...args].join(' '), why });
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    // The admin's own additions are in it.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY')) throw error;
  }
}
