/** What a dead thread of a lane has done of what it was given. */
import type { SlotReader } from '../../store/slot-reader.ts';
import type { Mailbox } from '../workers/mailbox.ts';

/** Lets the mailbox go of what the dead thread has done. @returns whether a heartbeat was in hand and is lost. */
export function settleDead({ slot, mailbox }: { readonly slot: SlotReader; readonly mailbox: Mailbox }): boolean {
  const inHand = slot.unfinished();
  if (inHand !== undefined && mailbox.holds(inHand)) {
    mailbox.done(inHand);
    return true;
  }
  // The lane had finished all it took, even if it could no longer say so; or what it left was charged before.
  mailbox.done(slot.taken);
  return false;
}
