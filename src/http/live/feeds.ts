/** The feeds in use: one per selection and fields, shared by all clients that follow the same. */
import type { Fields } from '../../reading/fields.ts';
import type { Selection } from '../../reading/selection.ts';
import { Feed, type FeedParts } from './feed.ts';
import type { Views } from './views.ts';

/** What a client follows. */
export interface Watched {
  readonly selection: Selection;
  readonly fields: Fields;
}

interface Shared {
  readonly feed: Feed;
  users: number;
}

export class Feeds {
  readonly #views: Views;
  readonly #parts: FeedParts;
  readonly #shared = new Map<string, Shared>();

  constructor(views: Views, parts: FeedParts) {
    this.#views = views;
    this.#parts = parts;
  }

  /**
   * Return it with `give`.
   * @param client the client, for its share of filters
   * @throws LimitReached as `Views.take` does
   */
  take({ selection, fields }: Watched, client: string | undefined): Feed {
    const view = this.#views.take(selection, fields, client);
    const key = JSON.stringify([selection.key, fields.key]);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = { feed: new Feed(key, view, fields, this.#parts), users: 0 };
      this.#shared.set(key, shared);
    }
    shared.users++;
    return shared.feed;
  }

  /** Call it once per `take`, with the same client. */
  give({ key, view }: Feed, client: string | undefined): void {
    this.#views.give(view, client);
    const shared = this.#shared.get(key);
    if (shared === undefined || --shared.users > 0) return;
    shared.feed.dropFrames();
    this.#shared.delete(key);
  }
}
