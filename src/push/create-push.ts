import type { Config } from '../config/config.ts';
import type { Mailer } from '../outbound/mailer.ts';
import type { OutboundHttp } from '../outbound/outbound-http.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { MailAddresses } from '../users/mail/mail-addresses.ts';
import { Notifications, type NotificationsUses } from './notifications.ts';
import { PushDelivery, type PushDeliveryUses } from './push-delivery.ts';
import { PushGateway } from './push-gateway.ts';
import { PushMails } from './push-mails.ts';
import { PushMessages, type PushMessageUses } from './push-message.ts';
import { Pushers } from './pushers.ts';

export interface PushUses
  extends NotificationsUses,
    PushMessageUses,
    Omit<PushDeliveryUses, 'messages' | 'gateway' | 'mails'> {
  readonly config: Config;
  readonly outbound: OutboundHttp;
  readonly mailer: Mailer;
  readonly serverName: ServerName;
  readonly mailAddresses: MailAddresses;
}

/** What brings notifications to people who are not looking. */
export interface Push {
  readonly pushers: Pushers;
  readonly notifications: Notifications;
  readonly delivery: PushDelivery;
}

export function createPush(uses: PushUses): Push {
  const messages = new PushMessages(uses);
  const gateway = new PushGateway(uses.outbound);
  const mails = new PushMails({ ...uses, messages });
  return {
    pushers: new Pushers({ ...uses, hasAllowedRanges: uses.config.network.allowIpRanges.length > 0 }),
    notifications: new Notifications(uses),
    delivery: new PushDelivery({ ...uses, messages, gateway, mails }),
  };
}
