import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { crossSigningBody, crossSigningKey, TestDevice } from '../../support/clients/e2ee.ts';
import { SharedRoom } from '../../support/clients/shared-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import { EduCourier } from '../../support/stubs/edu-courier.ts';

const names = { from: 'b.test', to: 'a.test' };

async function couple(universe: Universe, suffix = '') {
  const [a, b] = [universe.world('a.test'), universe.world('b.test')];
  const alice = await TestDevice.register(a, `alice${suffix}`);
  const bob = await TestDevice.register(b, `bob${suffix}`);
  // What the servers tell each other is carried by hand.
  universe.network.swallows = ({ uri }) => uri.includes('/v1/send/');
  const courier = new EduCourier(b, a, names);
  return { a, b, alice, bob, courier };
}

/** Nothing is to be fetched again; what was put off comes in the end. */
const settled = (universe: Universe) => {
  const { remoteLists } = universe.world('a.test').hs.stores;
  return universe.until(() => {
    if (remoteLists.nextDue() === undefined) return true;
    universe.clock.advance(60_000);
    return false;
  }, 'the lists are whole again');
};

describe('device lists across servers', () => {
  it('are announced to servers that share a room, and to no others', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const { a, b, alice, bob, courier } = await couple(universe);
    await bob.uploadKeys();
    assert.deepEqual(courier.carryAll(), []);
    const room = new SharedRoom([a, b], alice.userId);
    room.member(bob.userId, 'join');
    const [joined, ...more] = courier.carryAll();
    assert.equal(joined?.edu_type, 'm.device_list_update', 'who comes to share a room is announced');
    assert.deepEqual([joined?.content['prev_id'], more], [[], []]);
    const phone = await bob.sibling('PHONE');
    await phone.uploadKeys();
    await phone.ok('PUT', '/devices/PHONE', { display_name: 'phone' });
    const [update, ...others] = courier.carryAll();
    assert.deepEqual(others, [], 'two changes of one device are one update');
    assert.deepEqual(update?.content['keys'], phone.deviceKeys());
    assert.equal(update?.content['device_display_name'], 'phone');
    assert.deepEqual(update?.content['prev_id'], [joined?.content['stream_id']]);
    room.member(bob.userId, 'leave');
    await phone.ok('POST', '/logout');
    assert.deepEqual(courier.carryAll(), []);
  });

  it('are followed by updates alone, and fetched again after a gap', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const { a, b, alice, bob, courier } = await couple(universe);
    await bob.uploadKeys();
    const room = new SharedRoom([a, b], alice.userId);
    room.member(bob.userId, 'join');
    courier.carryAll();
    const query = async () =>
      (await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } })).device_keys[bob.userId];
    const fetches = () => universe.calls.filter(({ uri }) => uri.includes('/user/devices/')).length;
    await query();
    await alice.sync();
    // The first update after /keys/query, which tells no stream_id, is not known to be the next.
    const phone = await bob.sibling('PHONE');
    await phone.uploadKeys();
    courier.carryAll();
    await settled(universe);
    assert.equal(fetches(), 1);
    assert.deepEqual((await alice.sync()).device_lists.changed, [bob.userId]);
    assert.deepEqual(Object.keys(await query()).sort(), [bob.deviceId, 'PHONE'].sort());
    await phone.ok('PUT', '/devices/PHONE', { display_name: 'phone' });
    courier.carryAll();
    assert.equal(fetches(), 1, 'one that is known to be the next is taken as it is');
    assert.equal((await query())['PHONE'].unsigned.device_display_name, 'phone');
    assert.deepEqual((await alice.sync()).device_lists.changed, [bob.userId]);
    const tablet = await bob.sibling('TABLET');
    await tablet.uploadKeys();
    assert.equal(courier.carry(100, 'lost').length, 1);
    await phone.ok('POST', '/logout');
    universe.cut('a.test', 'b.test');
    courier.carryAll();
    await universe.until(() => fetches() === 2);
    await universe.restart('a.test');
    universe.heal('a.test', 'b.test');
    await settled(universe);
    assert.deepEqual(Object.keys(await query()).sort(), [bob.deviceId, 'TABLET'].sort());
  });

  it('carry cross-signing keys', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const { a, b, alice, bob, courier } = await couple(universe);
    await bob.uploadKeys();
    new SharedRoom([a, b], alice.userId).member(bob.userId, 'join');
    courier.carryAll();
    await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } });
    await alice.sync();
    const [master, self] = [crossSigningKey('master'), crossSigningKey('self')];
    const body = {
      master_key: crossSigningBody(bob.userId, 'master', master),
      self_signing_key: crossSigningBody(bob.userId, 'self_signing', self, master),
    };
    await bob.ok('POST', '/keys/device_signing/upload', body);
    courier.carryAll();
    assert.deepEqual((await alice.sync()).device_lists.changed, [bob.userId]);
    universe.cut('a.test', 'b.test');
    const known = await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } });
    assert.deepEqual(known.master_keys[bob.userId], body.master_key);
    assert.deepEqual(known.self_signing_keys[bob.userId], body.self_signing_key);
  });

  /**
   * What alice keeps by following /sync must be what she would get by asking b.test for everything, whatever happens
   * there and however slowly or badly it is told; and /keys/changes must name what she would have missed.
   */
  it('keep a client’s picture equal to a full recomputation, over lost, doubled and late updates, outages, leaving and coming back', async () => {
    const kinds = {
      device: 5,
      logout: 2,
      name: 2,
      toggle: 2,
      away: 1,
      carry: 9,
      lose: 1,
      twice: 1,
      late: 1,
      arrive: 1,
      cut: 1,
      race: 2,
      sync: 10,
    } as const;
    const step = fc.record({
      do: fc.oneof(
        ...Object.entries(kinds).map(([kind, weight]) => ({
          weight,
          arbitrary: fc.constant(kind as keyof typeof kinds),
        })),
      ),
      who: fc.nat(1),
    });
    // To open servers takes longer than to walk: all walks are of people of the same two.
    await using universe = await Universe.open(['a.test', 'b.test']);
    let walks = 0;
    let changes = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 50, size: 'max' }),
        fc.boolean(),
        async (steps, isLossy) => {
          const walk = await ListWalk.begin(universe, `${walks++}`);
          // All begin together, or hardly anything would be seen.
          walk.toggle(0);
          walk.toggle(1);
          for (const { do: what, who } of steps) await walk[what === 'lose' && !isLossy ? 'carry' : what](who);
          await walk.end();
          changes += walk.changes;
        },
      ),
      { seed: 5, numRuns: 20, endOnFailure: false },
    );
    assert.ok(changes > 100, `${changes}`);
  });
});

/** Alice of a.test watches two people of b.test, by what /sync tells of them. */
class ListWalk {
  changes = 0;
  readonly #universe: Universe;
  readonly #scene: Awaited<ReturnType<typeof couple>>;
  readonly #people: readonly TestDevice[];
  readonly #room: SharedRoom;
  readonly #inside = new Set<number>();
  readonly #extra: readonly TestDevice[][] = [[], []];
  readonly #kept = new Map<string, string>();
  readonly #dirty = new Set<string>();
  /** What she knew at a token, when she knew all. */
  readonly #pictures: { readonly token: string; readonly kept: ReadonlyMap<string, string> }[] = [];
  #isAway = false;
  #isLost = false;
  #isCut = false;
  #count = 0;

  private constructor(
    universe: Universe,
    scene: Awaited<ReturnType<typeof couple>>,
    people: readonly TestDevice[],
    room: SharedRoom,
  ) {
    this.#universe = universe;
    this.#scene = scene;
    this.#people = people;
    this.#room = room;
  }

  static async begin(universe: Universe, suffix: string): Promise<ListWalk> {
    universe.heal('a.test', 'b.test');
    const scene = await couple(universe, suffix);
    const { a, b, alice, bob } = scene;
    const people = [bob, await TestDevice.register(b, `carol${suffix}`)];
    for (const person of people) await person.uploadKeys();
    // Somebody of a.test is always there: to come back from outside is another story, a join through another server.
    const room = new SharedRoom([a, b], `@anna${suffix}:a.test`, `!shared${suffix}:a.test`);
    room.member(alice.userId, 'join');
    const walk = new ListWalk(universe, scene, people, room);
    await walk.sync();
    return walk;
  }

  async device(who: number): Promise<void> {
    const device = await this.#person(who).sibling(`D${this.#count++}`);
    await device.uploadKeys();
    this.#extra[who]?.push(device);
  }

  async logout(who: number): Promise<void> {
    await this.#extra[who]?.pop()?.ok('POST', '/logout');
  }

  async name(who: number, name = `name ${this.#count++}`): Promise<void> {
    const person = this.#person(who);
    await person.ok('PUT', `/devices/${person.deviceId}`, { display_name: name });
  }

  toggle(who: number): void {
    this.#room.member(this.#person(who).userId, this.#inside.has(who) ? 'leave' : 'join');
    if (!this.#inside.delete(who)) this.#inside.add(who);
  }

  /** She leaves, or comes back. */
  away(): void {
    this.#isAway = !this.#isAway;
    this.#room.member(this.#scene.alice.userId, this.#isAway ? 'leave' : 'join');
  }

  carry(): void {
    if (!this.#isCut) this.#scene.courier.carry(2);
  }

  lose(): void {
    this.#isLost ||= this.#scene.courier.carry(2, 'lost').length > 0;
  }

  twice(): void {
    if (!this.#isCut) this.#scene.courier.carry(2, 'twice');
  }

  late(): void {
    this.#scene.courier.carry(2, 'late');
  }

  arrive(): void {
    if (!this.#isCut) this.#scene.courier.arriveLate();
  }

  cut(): void {
    this.#isCut = !this.#isCut;
    if (this.#isCut) this.#universe.cut('a.test', 'b.test');
    else this.#universe.heal('a.test', 'b.test');
  }

  /** While she is told what b.test has answered, something happens there, and that comes first. */
  async race(who: number): Promise<void> {
    const { network } = this.#universe;
    const answered = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const { remoteLists, interning } = this.#scene.a.hs.stores;
    const user = interning.findUser(this.#person(who).userId);
    if (user === undefined || !this.#kept.has(this.#person(who).userId)) return;
    network.holds = ({ uri }) => {
      if (!uri.includes('/user/')) return undefined;
      answered.resolve();
      return held.promise;
    };
    // Something is missing in what is known here, and she asks.
    this.#scene.a.hs.db.write<void>(() => remoteLists.mark(user, this.#universe.clock.now()));
    this.#dirty.add(this.#person(who).userId);
    const syncing = this.sync();
    await Promise.race([syncing, answered.promise]);
    await this.name(who);
    if (!this.#isCut) this.#scene.courier.carryAll();
    network.holds = undefined;
    held.resolve();
    await syncing;
  }

  async sync(): Promise<void> {
    const { alice } = this.#scene;
    const { changed = [], left = [] } = (await alice.sync()).device_lists ?? {};
    for (const userId of left as string[]) {
      this.#kept.delete(userId);
      this.#dirty.delete(userId);
    }
    for (const userId of changed as string[]) if (userId.endsWith(':b.test')) this.#dirty.add(userId);
    for (const userId of this.#dirty) {
      this.changes++;
      const { device_keys: keys, failures } = await this.#ask(userId);
      if (Object.keys(failures).length > 0) continue;
      this.#kept.set(userId, JSON.stringify(keys[userId]));
      this.#dirty.delete(userId);
    }
    if (this.#dirty.size === 0) this.#pictures.push({ token: alice.since ?? '', kept: new Map(this.#kept) });
  }

  async end(): Promise<void> {
    const { courier } = this.#scene;
    this.#universe.heal('a.test', 'b.test');
    courier.arriveLate();
    // Whatever was lost is found out by the next update at the latest.
    if (this.#isLost) for (const who of this.#people.keys()) await this.name(who, 'last');
    courier.carryAll();
    this.#isCut = false;
    if (this.#isLost) for (const who of this.#people.keys()) await this.race(who);
    await settled(this.#universe);
    // A server that failed is left alone for a while; clients ask again.
    await this.#universe.until(async () => {
      await this.sync();
      if (this.#dirty.size > 0) this.#universe.clock.advance(60_000);
      return this.#dirty.size === 0;
    }, 'everybody’s keys are known');
    const inside = this.#isAway ? [] : [...this.#inside].map((who) => this.#person(who));
    assert.deepEqual([...this.#kept.keys()].sort(), inside.map(({ userId }) => userId).sort());
    for (const person of inside) {
      const { userId } = person;
      const { device_keys: truth } = await person.ok('POST', '/keys/query', { device_keys: { [userId]: [] } });
      assert.deepEqual(JSON.parse(this.#kept.get(userId) ?? ''), truth[userId]);
    }
    await this.#checkChanges();
  }

  /** Who was away since any of those moments is told all that matters. */
  async #checkChanges(): Promise<void> {
    const { alice } = this.#scene;
    for (const { token, kept } of this.#pictures) {
      const { changed, left } = await alice.ok('GET', `/keys/changes?from=${token}&to=${alice.since}`);
      for (const userId of kept.keys()) assert.equal(left.includes(userId), !this.#kept.has(userId), `${userId} left`);
      for (const [userId, keys] of this.#kept) {
        if (kept.get(userId) !== keys) assert.ok(changed.includes(userId), `${userId} changed`);
        assert.ok(!left.includes(userId));
      }
    }
  }

  #ask(userId: string) {
    return this.#scene.alice.ok('POST', '/keys/query', { device_keys: { [userId]: [] } });
  }

  #person(who: number): TestDevice {
    return this.#people[who] as TestDevice;
  }
}
