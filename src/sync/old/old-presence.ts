import type { UserId } from '../../protocol/ids/types.ts';
import type { JsonObject } from '../../util/json.ts';

/** An `m.presence` event for clients of then, which look for the user in its content. */
export function oldPresence({ sender, text }: { readonly sender: UserId; readonly text: string }): string {
  const event = JSON.parse(text) as { readonly content: JsonObject };
  return JSON.stringify({ ...event, content: { ...event.content, user_id: sender } });
}
