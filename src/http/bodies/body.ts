/** The bytes of an answer. Call `giveBack` once they are no longer used. */
export interface Body {
  readonly bytes: Uint8Array;
  readonly isGzip: boolean;
  giveBack(): void;
}
