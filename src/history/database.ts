/** Where history is kept, as the settings say, and how a thread opens it. */
import type { HistoryReader, HistoryWriter } from './backend.ts';

export type DatabasePlace =
  | { readonly kind: 'sqlite'; readonly path: string }
  /** The URL may contain a password: it is never logged or shown. */
  | { readonly kind: 'postgres'; readonly url: string };

/** Called once per loss with one line for a person: what could not be read, and what became of it. */
export type OnLoss = (message: string) => void;

/** What a backend exports. `open…` creates or upgrades the tables (writer), or waits for nothing (reader). */
export interface Backend<Place extends DatabasePlace = DatabasePlace> {
  openWriter(place: Place, onLoss: OnLoss): Promise<HistoryWriter>;
  openReader(place: Place, onLoss: OnLoss): Promise<HistoryReader>;
}
