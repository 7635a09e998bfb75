import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { Certificates, type CertificateUser } from '../../src/cli/service/certificates.ts';
import { ServiceManager } from '../../src/cli/service/service-manager.ts';
import { silentLog } from '../../src/util/log.ts';
import { Person } from '../support/clients/person.ts';
import { ServerProcess } from '../support/servers/server-process.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

const vectors = join(import.meta.dirname, '../vectors/tls');

/** Asks again and again until something holds; the test's own time limit ends it otherwise. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 20));
}

function install(folder: string, name: 'first' | 'second'): void {
  for (const kind of ['cert', 'key']) copyFileSync(join(vectors, `${name}.${kind}.pem`), join(folder, `${kind}.pem`));
}

describe('a running server', () => {
  it('says that it is healthy, and SIGHUP takes over the log level and names what needs a restart', async () => {
    const server = await ServerProcess.start();
    try {
      const answer = await fetch(`${server.url}/health`);
      assert.deepEqual([answer.status, await answer.json()], [200, { status: 'ok' }]);

      const file = join(server.dir, 'hearth.toml');
      const good = readFileSync(file, 'utf8');
      writeFileSync(file, `${good}\n[log]\nlevel = "loud"\n`);
      process.kill(server.pid, 'SIGHUP');
      await until(() => server.log.includes('"event":"config.reload_refused"'));

      writeFileSync(file, `${good}\n[log]\nlevel = "warn"\n[rooms]\ndefault_version = "11"\n`);
      process.kill(server.pid, 'SIGHUP');
      await until(() => server.log.includes('"event":"config.needs_restart"'));
      assert.match(server.log, /"keys":\["rooms\.default_version"\]/);
      assert.ok(!server.log.includes('config.reloaded'), 'lines below the new level are left out');

      const limited = 'enabled = true\nrooms = { per_second = 0.001, burst = 1 }';
      writeFileSync(file, good.replace('enabled = false', limited));
      process.kill(server.pid, 'SIGHUP');
      await until(() => server.log.includes('config.reloaded'));
      assert.match(
        server.log,
        /"keys":\["log\.level","rate_limits\.enabled","rate_limits\.rooms\.burst","rate_limits\.rooms\.per_second"\]/,
      );
      const alice = await Person.register(server.port, 'alice');
      await alice.createRoom();
      await assert.rejects(alice.createRoom(), /M_LIMIT_EXCEEDED/);
      alice.close();
    } finally {
      await server.remove();
    }
  });

  it('lets those who wait go when it is stopped, and leaves one folded-in database', async () => {
    const server = await ServerProcess.start();
    try {
      const alice = await Person.register(server.port, 'alice');
      const { next_batch } = JSON.parse((await alice.sync('timeout=0')).body) as { next_batch: string };
      const waiting = alice.sync(`timeout=300000&since=${next_batch}`);
      await alice.createRoom();
      await waiting;
      const { next_batch: now } = JSON.parse((await alice.sync('timeout=0')).body) as { next_batch: string };
      const last = alice.sync(`timeout=300000&since=${now}`).catch(() => undefined);
      assert.equal(await server.stop(), 0);
      await last;
      alice.close();
      assert.ok(existsSync(join(server.dataDir, 'hearth.db')));
      assert.ok(!existsSync(join(server.dataDir, 'hearth.db-wal')));
    } finally {
      await server.remove();
    }
  });

  it('uses a renewed certificate for new connections after SIGHUP, and keeps the old one if the new is broken', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-tls-'));
    install(folder, 'first');
    const listen = ['[[listen]]', 'address = "127.0.0.1"', 'port = 0', 'tls = "files"'];
    const files = ['cert', 'key'].map((kind) => `tls_${kind} = ${JSON.stringify(join(folder, `${kind}.pem`))}`);
    const server = await ServerProcess.start({ toml: [...listen, ...files].join('\n') });
    try {
      const port = Number(/"listen":\["[^"]*","127\.0\.0\.1:(\d+)"\]/.exec(server.log)?.[1]);
      assert.equal(await certificateName(port), 'first.test');
      writeFileSync(join(folder, 'key.pem'), 'no key');
      process.kill(server.pid, 'SIGHUP');
      await until(() => server.log.includes('tls.certificate_not_usable'));
      assert.equal(await certificateName(port), 'first.test');
      install(folder, 'second');
      process.kill(server.pid, 'SIGHUP');
      await until(() => server.log.includes('tls.certificate_renewed'));
      assert.equal(await certificateName(port), 'second.test');
    } finally {
      await server.remove();
      rmSync(folder, { recursive: true });
    }
  });
});

/** Whose certificate is shown to one who asks for a name that no certificate has. */
function certificateName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { port, path: '/health', rejectUnauthorized: false, servername: 'other.test', agent: false };
    get(options, (response) => {
      const name = (response.socket as TLSSocket).getPeerCertificate().subject.CN;
      response.resume();
      response.once('end', () => resolve(String(name)));
    }).once('error', reject);
  });
}

describe('certificates in files', () => {
  it('are looked at once a minute', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-tls-'));
    install(folder, 'first');
    const clock = new FakeClock();
    const used: string[] = [];
    const use: CertificateUser['use'] = (found) => void used.push(...found.map(({ cert }) => cert));
    const files = [{ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }] as const;
    const user = { place: 'here', files, use };
    const certificates = new Certificates([user], { clock, log: silentLog });
    clock.advance(60_000);
    assert.deepEqual(used, []);
    install(folder, 'second');
    clock.advance(180_000);
    assert.deepEqual(used, [readFileSync(join(vectors, 'second.cert.pem'), 'utf8')]);
    certificates.close();
    assert.equal(clock.pendingTimers, 0);
    rmSync(folder, { recursive: true });
  });
});

describe('the service manager', () => {
  it('is told of the start, of life while timers fire, and of the end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-notify-'));
    const program = join(folder, 'notify');
    const told = join(folder, 'told');
    writeFileSync(program, `#!/bin/sh\nfor word; do echo "$word" >> ${told}; done\n`, { mode: 0o755 });
    const clock = new FakeClock();
    const env = { NOTIFY_SOCKET: '/run/there', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' };
    const manager = new ServiceManager({ env, pid: 7, clock, log: silentLog, program });
    manager.ready('a.org at 127.0.0.1:8008');
    clock.advance(29_999);
    clock.advance(1);
    clock.advance(30_000);
    await manager.stopping();
    const lines = readFileSync(told, 'utf8').trimEnd().split('\n');
    const life = ['WATCHDOG=1', 'WATCHDOG=1'];
    const end = ['STOPPING=1', 'STATUS=Finishing what is under way'];
    assert.deepEqual(lines, ['READY=1', 'STATUS=a.org at 127.0.0.1:8008', ...life, ...end]);
    assert.equal(clock.pendingTimers, 0);
    rmSync(folder, { recursive: true });
  });

  it('is not told anything where there is none, or by another process than it started', async () => {
    const clock = new FakeClock();
    const none = new ServiceManager({ env: {}, pid: 7, clock, log: silentLog, program: '/nowhere' });
    none.ready('');
    await none.stopping();
    const env = { NOTIFY_SOCKET: '/run/there', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '8' };
    const other = new ServiceManager({ env, pid: 7, clock, log: silentLog, program: 'true' });
    other.ready('');
    assert.equal(clock.pendingTimers, 0);
    await other.stopping();
  });
});
