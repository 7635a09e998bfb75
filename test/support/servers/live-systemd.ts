import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const systemd = '/lib/systemd/systemd';

/** A cgroup of version 2 in which groups can be made: where it is the only one, or beside those of version 1. */
const hierarchies = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'];

/**
 * Sets up a root of its own around the programs of this machine, which it cannot change, and becomes PID 1 in it. Mounts
 * are shared inside, as a container's are: systemd hands credentials over by a mount.
 */
const boot = `
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir usr etc var proc sys dev run tmp root srv old
mount --rbind /usr usr
mount -o remount,bind,ro usr
mount -t tmpfs -o mode=755 tmpfs usr/local
mkdir usr/local/bin
for name in bin sbin lib lib64; do if [ -e "/$name" ]; then ln -s "usr/$name" "$name"; fi; done
cp /etc/ld.so.cache etc
if [ -e /etc/ld.so.conf ]; then cp -r /etc/ld.so.conf* etc; fi
printf 'root:x:0:0::/root:/bin/sh\\n' > etc/passwd
printf 'root:x:0:\\n' > etc/group
printf '0123456789abcdef0123456789abcdef\\n' > etc/machine-id
mkdir -p var/log/journal var/lib etc/systemd/system
for unit in systemd-sysctl systemd-modules-load systemd-udevd systemd-udev-trigger systemd-tmpfiles-setup-dev systemd-sysusers systemd-update-utmp; do
  ln -s /dev/null "etc/systemd/system/$unit.service"
done
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do touch "dev/$name"; mount --bind "/dev/$name" "dev/$name"; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
cp "$2" srv/hearth
ip link set lo up
pivot_root . old
umount -l /old
mount --make-rshared /
exec env -i container=hearth-test PATH=/usr/sbin:/usr/bin "${systemd}" --unit=basic.target --log-level=warning
`;

const run = promisify(execFile);

/** A systemd that runs as the first process of a container, with an executable at `/srv/hearth`. */
export class LiveSystemd implements AsyncDisposable {
  readonly #unshare: ReturnType<typeof spawn>;
  readonly #cgroup: string;
  readonly #folder: string;
  #first: string | undefined;

  private constructor(unshare: ReturnType<typeof spawn>, cgroup: string, folder: string) {
    this.#unshare = unshare;
    this.#cgroup = cgroup;
    this.#folder = folder;
  }

  /** Why none can be had on this machine; undefined if one can. */
  static get missing(): string | undefined {
    if (process.getuid?.() !== 0) return 'only root can start a systemd';
    if (!existsSync(systemd)) return 'there is no systemd';
    for (const program of ['unshare', 'nsenter', 'pivot_root', 'ip']) {
      if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `there is no ${program}`;
    }
    const cgroup = makeGroup();
    if (cgroup === undefined) return 'there is no cgroup of version 2 that groups can be made in';
    rmdirSync(cgroup);
    const namespaces = spawnSync('unshare', ['-m', '-p', '-f', '-i', '-u', '-n', '-C', 'true']);
    return namespaces.status === 0 ? undefined : 'this process may make no namespaces';
  }

  static async start(executable: string): Promise<LiveSystemd> {
    const cgroup = makeGroup();
    if (cgroup === undefined) throw new Error('there is no cgroup of version 2');
    const folder = mkdtempSync(join(tmpdir(), 'hearth-systemd-'));
    // The shell joins the group before a namespace makes that the root of all groups.
    const enter =
      'echo $$ > "$0/cgroup.procs" && exec unshare -m -p -f -i -u -n -C --kill-child sh -c "$1" sh "$2" "$3"';
    const unshare = spawn('sh', ['-c', enter, cgroup, boot, folder, executable], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    unshare.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-10_000);
    });
    const live = new LiveSystemd(unshare, cgroup, folder);
    try {
      await live.until(async () => {
        if (unshare.exitCode !== null) throw new Error(`systemd did not start: ${said}`);
        live.#first ??= childOf(unshare.pid ?? 0);
        if (live.#first === undefined || !readFileSync(`/proc/${live.#first}/comm`, 'utf8').startsWith('systemd'))
          return false;
        return (await live.try('systemctl is-active basic.target')).trim() === 'active';
      });
    } catch (error) {
      await live[Symbol.asyncDispose]();
      throw error;
    }
    return live;
  }

  /** Runs a shell script inside; answers what it prints. Throws if it fails. */
  async run(script: string): Promise<string> {
    const args = ['-t', this.#first ?? '', '-m', '-p', '-i', '-u', '-n', '-C', 'sh', '-ec', `cd /; ${script}`];
    const { stdout } = await run('nsenter', args, { env: { PATH: '/usr/local/bin:/usr/sbin:/usr/bin' } });
    return stdout;
  }

  /** The same; an error is an empty answer. */
  async try(script: string): Promise<string> {
    return this.run(script).catch(() => '');
  }

  /** A property of a unit, as systemd has it. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.run(`systemctl show ${unit} --property=${name} --value`)).trim();
  }

  /** Asks again and again; the test's own time limit ends it otherwise. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await new Promise((done) => setTimeout(done, 50));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((done) => this.#unshare.once('exit', done));
    // It takes its first process along, and that all others.
    if (this.#unshare.exitCode === null && this.#unshare.kill('SIGKILL')) await ended;
    await this.until(() => Promise.resolve(removeGroup(this.#cgroup)));
    rmSync(this.#folder, { recursive: true });
  }
}

function makeGroup(): string | undefined {
  for (const hierarchy of hierarchies) {
    if (!existsSync(join(hierarchy, 'cgroup.subtree_control'))) continue;
    try {
      return mkdtempSync(join(hierarchy, 'hearth-test-'));
    } catch {
      // Not ours to change.
    }
  }
  return undefined;
}

/** False while a process is in it that has not ended yet. */
function removeGroup(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && !removeGroup(join(folder, entry.name))) return false;
    }
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

function childOf(pid: number): string | undefined {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0] || undefined;
}
