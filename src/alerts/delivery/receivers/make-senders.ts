/** The sender of each kind of receiver. To add a kind: its schema in ../../rules/receivers/, its sender here. */
import type { AlertmanagerSettings } from '../../rules/receivers/alertmanager.ts';
import type { CommandSettings } from '../../rules/receivers/command.ts';
import type { DiscordSettings } from '../../rules/receivers/discord.ts';
import type { EmailSettings } from '../../rules/receivers/email.ts';
import type { NtfySettings } from '../../rules/receivers/ntfy.ts';
import type { PagerdutySettings } from '../../rules/receivers/pagerduty.ts';
import type { SlackSettings } from '../../rules/receivers/slack.ts';
import type { ReceiverKindName } from '../../rules/receivers/target.ts';
import type { WebhookSettings } from '../../rules/receivers/webhook.ts';
import type { ReceiverTarget } from '../../rules/rule.ts';
import type { MakeSender, Sender } from '../notification.ts';
import { AlertmanagerSender } from './alertmanager.ts';
import { CommandSender, CommandTurns } from './command.ts';
import type { ReceiverContext } from './context.ts';
import { DiscordSender } from './discord.ts';
import { EmailSender } from './email.ts';
import { LogSender } from './log.ts';
import { NtfySender } from './ntfy.ts';
import { PagerdutySender } from './pagerduty.ts';
import { SlackSender } from './slack.ts';
import { WebhookSender } from './webhook.ts';

/** All senders that one of these makes take turns with commands. */
export function sendersOf(context: ReceiverContext): MakeSender {
  const turns = new CommandTurns();
  return (target) => senderOf(target, context, turns);
}

/** The parser of the rule file has checked the settings by the schema of the kind. */
function senderOf({ kind, settings }: ReceiverTarget, context: ReceiverContext, turns: CommandTurns): Sender {
  const name = kind as ReceiverKindName;
  switch (name) {
    case 'alertmanager':
      return new AlertmanagerSender(settings as AlertmanagerSettings, context);
    case 'webhook':
      return new WebhookSender(settings as WebhookSettings, context);
    case 'slack':
      return new SlackSender(settings as SlackSettings, context);
    case 'discord':
      return new DiscordSender(settings as DiscordSettings, context);
    case 'ntfy':
      return new NtfySender(settings as NtfySettings, context);
    case 'pagerduty':
      return new PagerdutySender(settings as PagerdutySettings, context);
    case 'email':
      return new EmailSender(settings as EmailSettings, context);
    case 'command':
      return new CommandSender(settings as CommandSettings, context, turns);
    case 'log':
      return new LogSender(context);
    default:
      return name satisfies never;
  }
}
