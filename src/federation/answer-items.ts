import { JsonCutter } from '../protocol/json-stream/json-cutter.ts';
import { parseExactJson } from '../protocol/parse-json.ts';

/** Of one item: an event, whatever a server has added to it. */
const maxItemBytes = 1024 * 1024;
const maxDepth = 1000;

/**
 * The first items of a list that is a member of an answer, cut out and parsed one by one while the answer comes in, with
 * numbers as they were written. Items that are no JSON are left out. `undefined`: the answer is wrong or breaks off.
 */
export async function itemsIn(body: AsyncIterable<Buffer>, key: string, limit: number): Promise<unknown[] | undefined> {
  const cutter = new JsonCutter({ arrays: new Set([key]), members: new Set(), maxBytes: maxItemBytes, maxDepth });
  const items: unknown[] = [];
  try {
    for await (const chunk of body) {
      for (const { bytes } of cutter.push(chunk)) {
        // The rest is read and forgotten: a connection that is left in the middle is of no more use.
        const item = items.length < limit ? parseExactJson(bytes) : undefined;
        if (item !== undefined) items.push(item);
      }
    }
    cutter.end();
    return items;
  } catch {
    // The other server's fault, or the connection's: nothing of ours runs in here.
    return undefined;
  }
}
