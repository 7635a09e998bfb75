import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Outlet } from '../../../src/api/http/exchange.ts';
import { reply } from '../../../src/api/http/reply.ts';
import { send } from '../../../src/api/http/send.ts';
import type { Piece } from '../../../src/api/http/types.ts';
import { Turns } from '../../../src/util/turns.ts';

/** A client that takes a chunk only when it is told to. */
class SlowOutlet implements Outlet {
  isGone = false;
  headSent = false;
  headers: Readonly<Record<string, string | number>> = {};
  readonly chunks: Buffer[] = [];
  ended = false;
  #waiting: { readonly piece: Piece; readonly taken: () => void } | undefined;

  head(_status: number, headers: Readonly<Record<string, string | number>>): void {
    this.headSent = true;
    this.headers = headers;
  }

  write(piece: Piece, taken: () => void): void {
    assert.equal(this.#waiting, undefined, 'one chunk at a time');
    this.#waiting = { piece, taken };
  }

  /** Reads the chunk that waits only now: until then nobody may have changed it. */
  take(): boolean {
    const waiting = this.#waiting;
    if (waiting === undefined) return false;
    this.#waiting = undefined;
    this.chunks.push(Buffer.from(waiting.piece as string));
    waiting.taken();
    return true;
  }

  end(piece?: Piece): void {
    if (piece !== undefined) this.chunks.push(Buffer.from(piece as string));
    this.ended = true;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise((done) => setImmediate(done));
};

async function takeAll(outlet: SlowOutlet, sending: Promise<void>): Promise<void> {
  let over = false;
  void sending.then(() => {
    over = true;
  });
  while (!over) {
    outlet.take();
    await turns(1);
  }
}

describe('an answer in pieces', () => {
  const texts = Array.from({ length: 3000 }, (_, index) => `{"n":${index},"name":"Zoë 👍️ ${'x'.repeat(index % 90)}"}`);

  it('is made no further than one chunk ahead of a client that takes nothing', async () => {
    let made = 0;
    function* pieces(): Generator<string> {
      for (const text of texts) {
        made += Buffer.byteLength(text);
        yield text;
      }
    }
    const outlet = new SlowOutlet();
    const sending = send(outlet, reply({ body: pieces() }), true);
    for (let chunk = 1; chunk <= 4; chunk++) {
      await turns();
      assert.ok(made >= 1 && made <= chunk * 17 * 1024, `${made} bytes for ${chunk} chunks`);
      assert.ok(outlet.take());
    }
    await takeAll(outlet, sending);
    assert.equal(outlet.text, texts.join(''));
  });

  it('arrives as it was made: small and large pieces, bytes and characters of any width', async () => {
    const large = 'é'.repeat(30_000);
    const pieces: Piece[] = ['', 'a', Buffer.from('béta'), large, 'c', large, Buffer.from(large), '', ...texts, 'end'];
    const outlet = new SlowOutlet();
    await takeAll(outlet, send(outlet, reply({ body: pieces }), true));
    assert.equal(outlet.text, pieces.map(String).join(''));
    assert.ok(outlet.ended);
    assert.ok(outlet.chunks.length > 5);
  });

  it('goes out whole, with its length, if it is short', async () => {
    const outlet = new SlowOutlet();
    await send(outlet, reply({ body: ['{"a":', '"ü"', '}'] }), true);
    assert.equal(outlet.text, '{"a":"ü"}');
    assert.equal(outlet.headers['Content-Length'], 10);
  });

  it('of several at a time never mixes', async () => {
    const bodies = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((letter) => texts.map((text) => letter + text));
    for (let round = 0; round < 2; round++) {
      const outlets = bodies.map(() => new SlowOutlet());
      await Promise.all(
        bodies.map((body, index) => {
          const outlet = outlets[index] ?? assert.fail();
          return takeAll(outlet, send(outlet, reply({ body }), true));
        }),
      );
      for (const [index, body] of bodies.entries()) assert.equal(outlets[index]?.text, body.join(''));
    }
  });

  it('lets others have their turn between two chunks, however fast it is taken', async () => {
    const outlet = new SlowOutlet();
    const takeAtOnce = outlet.write.bind(outlet);
    outlet.write = (piece, taken) => {
      takeAtOnce(piece, taken);
      outlet.take();
    };
    let seen = 0;
    const watch = () => {
      seen++;
      if (!outlet.ended) setImmediate(watch);
    };
    setImmediate(watch);
    await send(outlet, reply({ body: texts }), true);
    assert.ok(seen >= outlet.chunks.length - 1);
  });

  it('of many who read fast at the same time is made chunk by chunk, one of them in a turn', async () => {
    const made: number[] = [];
    let turn = 0;
    let isOver = false;
    const count = () => {
      turn++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    function* long(): Generator<string> {
      for (let piece = 0; piece < 10; piece++) {
        made[turn] = (made[turn] ?? 0) + 1;
        yield 'x'.repeat(100_000);
      }
    }
    const fast = () => {
      const outlet = new SlowOutlet();
      outlet.write = (_piece, taken) => taken();
      outlet.headSent = true;
      return outlet;
    };
    const shared = new Turns();
    const first = turn;
    await Promise.all(Array.from({ length: 20 }, () => send(fast(), reply({ body: long() }), true, shared)));
    isOver = true;
    // The first pieces are made at once: they may be all there is.
    assert.ok(Math.max(...made.slice(first + 1).map((count) => count ?? 0)) <= 2);
  });

  it('is given up when the client goes, and leaves the next one alone', async () => {
    let closed = false;
    function* endless(): Generator<string> {
      try {
        while (true) yield 'x'.repeat(500);
      } finally {
        closed = true;
      }
    }
    const gone = new SlowOutlet();
    const sending = send(gone, reply({ body: endless() }), true);
    await turns();
    gone.isGone = true;
    gone.take();
    await sending;
    assert.ok(closed);
    const outlet = new SlowOutlet();
    await takeAll(outlet, send(outlet, reply({ body: texts }), true));
    assert.equal(outlet.text, texts.join(''));
  });
});
