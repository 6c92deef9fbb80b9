/** The bytes of an answer, whoever made them. Call `giveBack` when nobody looks at them any more. */
export interface Body {
  readonly bytes: Uint8Array;
  readonly isGzip: boolean;
  giveBack(): void;
}
