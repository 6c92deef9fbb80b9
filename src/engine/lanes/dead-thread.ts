/** Accounts for the heartbeats that a dead lane thread was given. */
import type { SlotReader } from '../../store/slot-reader.ts';
import type { Mailbox } from '../workers/mailbox.ts';

/** Removes from the mailbox what the dead thread processed. @returns whether a heartbeat was in process and is lost */
export function settleDead({ slot, mailbox }: { readonly slot: SlotReader; readonly mailbox: Mailbox }): boolean {
  const inHand = slot.unfinished();
  if (inHand !== undefined && mailbox.holds(inHand)) {
    mailbox.done(inHand);
    return true;
  }
  // The lane had processed all that it took, even if it did not report it, or the rest was charged before.
  mailbox.done(slot.taken);
  return false;
}
