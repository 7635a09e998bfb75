import type { Edu, EduSource } from '../federation/queue/edu-source.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { EduHandler } from '../rooms/receive/transactions.ts';
import type { RoomNid } from '../store/nids.ts';
import { MovedReceipts, type MovedReceiptsUses } from './moved-receipts.ts';
import { Presence, type PresenceUses } from './presence.ts';
import { PresenceEdus, type PresenceEdusUses } from './presence-edus.ts';
import { ReceiptEdus, type ReceiptEdusUses } from './receipt-edus.ts';
import { Receipts, type ReceiptsUses } from './receipts.ts';
import { ephemeralEdus, type RemoteEdusUses } from './remote-edus.ts';
import { RemoteReceipts, type RemoteReceiptsUses } from './remote-receipts.ts';
import { Typing } from './typing.ts';
import { sendTyping } from './typing-edus.ts';
import { TypingService, type TypingServiceUses } from './typing-service.ts';

export type EphemeralUses = PresenceUses &
  ReceiptsUses &
  MovedReceiptsUses &
  Omit<PresenceEdusUses, 'presence'> &
  ReceiptEdusUses &
  RemoteReceiptsUses &
  Omit<RemoteEdusUses, 'typing' | 'presence' | 'remoteReceipts'> &
  Omit<TypingServiceUses, 'typing'> & { readonly serverName: ServerName };

/** Where other servers are told. */
interface Outgoing {
  addSource(source: EduSource): void;
  ephemeral(room: RoomNid, edu: Edu): void;
}

/** Who types, who is there, who has read what. */
export interface Ephemeral {
  readonly typing: Typing;
  readonly typingService: TypingService;
  readonly presence: Presence;
  readonly receipts: Receipts;
  readonly movedReceipts: MovedReceipts;
  /** What other servers tell, by `edu_type`. */
  readonly eduHandlers: readonly (readonly [string, EduHandler])[];
  /** From now on other servers are told. */
  tell(outgoing: Outgoing): void;
}

export function createEphemeral(uses: EphemeralUses): Ephemeral {
  const typing = new Typing(uses.streams, uses.clock);
  const presence = new Presence(uses);
  const remoteReceipts = new RemoteReceipts(uses);
  return {
    typing,
    typingService: new TypingService({ ...uses, typing }),
    presence,
    receipts: new Receipts(uses),
    movedReceipts: new MovedReceipts(uses),
    eduHandlers: ephemeralEdus({ ...uses, typing, presence, remoteReceipts }),
    tell(outgoing) {
      outgoing.addSource(new ReceiptEdus(uses));
      outgoing.addSource(new PresenceEdus({ ...uses, presence }));
      sendTyping({ ...uses, typing, send: (room, edu) => outgoing.ephemeral(room, edu) });
    },
  };
}
