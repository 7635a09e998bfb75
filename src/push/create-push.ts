import type { Config } from '../config/config.ts';
import type { OutboundHttp } from '../outbound/outbound-http.ts';
import { Notifications, type NotificationsUses } from './notifications.ts';
import { PushDelivery, type PushDeliveryUses } from './push-delivery.ts';
import { PushGateway } from './push-gateway.ts';
import { PushMessages, type PushMessageUses } from './push-message.ts';
import { Pushers } from './pushers.ts';

export interface PushUses extends NotificationsUses, PushMessageUses, Omit<PushDeliveryUses, 'messages' | 'gateway'> {
  readonly config: Config;
  readonly outbound: OutboundHttp;
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
  return {
    pushers: new Pushers({ ...uses, hasAllowedRanges: uses.config.network.allowIpRanges.length > 0 }),
    notifications: new Notifications(uses),
    delivery: new PushDelivery({ ...uses, messages, gateway }),
  };
}
