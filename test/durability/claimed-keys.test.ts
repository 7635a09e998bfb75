import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { checkDataDir } from '../support/check-data-dir.ts';
import { Person } from '../support/clients/person.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { PowerCutRecorder } from '../support/servers/power-cut.ts';
import { ServerProcess } from '../support/servers/server-process.ts';

const v3 = '/_matrix/client/v3';
const algorithm = 'signed_curve25519';
const lanes = 4;

/** A device whose keys are claimed by several callers at once, while it uploads more of them and its server is killed. */
class Claims {
  readonly given: string[] = [];
  /** Keys whose upload was answered. */
  readonly safe = new Set<string>();
  /** Claims that were not answered: each may have taken a key. */
  lost = 0;
  #owner: Person;
  #claimers: Person[] = [];
  #batch = 0;

  private constructor(owner: Person) {
    this.#owner = owner;
  }

  static async begin(server: ServerProcess): Promise<Claims> {
    const claims = new Claims(await Person.register(server.port, 'alice'));
    await claims.at(server);
    return claims;
  }

  /** The same at the server that was started again. */
  async at({ port }: ServerProcess): Promise<void> {
    this.close();
    this.#owner = this.#owner.at(port);
    this.#claimers = Array.from({ length: lanes }, () => this.#owner.at(port));
  }

  close(): void {
    for (const person of [this.#owner, ...this.#claimers]) person.close();
  }

  /** Claims and uploads until the server goes away. */
  async untilGone(): Promise<void> {
    const claiming = this.#claimers.map((claimer) => untilItFails(() => this.#claim(claimer)));
    await Promise.all([untilItFails(() => this.#upload()), ...claiming]);
    this.lost += claiming.length;
  }

  /** Uploads what may not have arrived, then claims everything that is left. */
  async rest(): Promise<void> {
    await this.#upload();
    while (await this.#claim(this.#owner));
  }

  /** Half of them were uploaded before, as far as anybody knows: some are claimed already. */
  async #upload(): Promise<void> {
    const ids = Array.from({ length: 40 }, (_, n) => `${algorithm}:k${this.#batch * 20 + n}`);
    const one_time_keys = Object.fromEntries(ids.map((id) => [id, { key: `key ${id}`, signatures: {} }]));
    await this.#owner.call('POST', `${v3}/keys/upload`, { one_time_keys });
    for (const id of ids) this.safe.add(id);
    this.#batch++;
  }

  async #claim(by: Person): Promise<boolean> {
    const wanted = { one_time_keys: { [by.userId]: { [by.deviceId]: algorithm } } };
    const answer = (await by.call('POST', `${v3}/keys/claim`, wanted)) as {
      one_time_keys: Record<string, Record<string, Record<string, unknown>>>;
    };
    const ids = Object.keys(answer.one_time_keys[by.userId]?.[by.deviceId] ?? {});
    this.given.push(...ids);
    return ids.length > 0;
  }
}

async function untilItFails(work: () => Promise<unknown>): Promise<void> {
  for (let isUp = true; isUp; ) {
    isUp = await work().then(
      () => true,
      () => false,
    );
  }
}

async function killed(
  options: { readonly dir: string; readonly env?: NodeJS.ProcessEnv },
  rounds: number,
  afterKill: () => void,
  running: (server: ServerProcess) => void,
): Promise<void> {
  const chance = new SeededRandom('claims');
  let server = await ServerProcess.start(options);
  running(server);
  const claims = await Claims.begin(server);
  for (let round = 0; round < rounds; round++) {
    const until = claims.given.length + 5 + chance.below(60);
    const working = claims.untilGone();
    // The server ends while claims are under way; how many are answered by then is chance.
    while (claims.given.length < until) await new Promise((done) => setImmediate(done));
    await server.stop('SIGKILL');
    await working;
    afterKill();
    server = await server.restart();
    running(server);
    await claims.at(server);
  }
  await claims.rest();
  claims.close();
  const { given, safe, lost } = claims;
  assert.equal(new Set(given).size, given.length, 'a key was given out twice');
  const gone = [...safe].filter((id) => !given.includes(id)).length;
  assert.ok(
    gone <= lost,
    `${gone} keys whose upload was answered were never given out, by ${lost} claims without answer`,
  );
  assert.equal(await server.stop(), 0);
  assert.deepEqual(checkDataDir(server.dataDir), []);
}

describe('a claimed one-time key', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hearth-claims-'));
  let last: ServerProcess | undefined;
  const running = (server: ServerProcess) => (last = server);
  after(async () => {
    // A test that fails leaves it behind.
    await last?.remove();
    rmSync(dir, { recursive: true, force: true });
  });

  it('is not given out again, and no other is lost, after kill -9 in the middle of claims and uploads', async () => {
    await killed({ dir: mkdtempSync(join(dir, 'kill-')) }, 3, () => {}, running);
  });

  it('is not given out again, and no other is lost, after power cuts that keep of each file only what was synced', async (t) => {
    const home = mkdtempSync(join(dir, 'power-'));
    const recorder = PowerCutRecorder.prepare(home, join(home, 'data'));
    if (recorder === undefined) {
      assert.equal(process.env['CI'], undefined, 'CI has a C compiler');
      return t.skip('no C compiler on this machine to build the recorder of fsync calls with');
    }
    await killed({ dir: home, env: recorder.env }, 4, () => recorder.cutPower(), running);
  });
});
