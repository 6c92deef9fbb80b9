/** Colours by what they mean. Each repeats what a word or a sign beside it says, so that nothing is lost without them. */
import { styleText } from 'node:util';

/** What a text means, and not how it looks. */
export type Meaning = 'good' | 'warning' | 'bad' | 'old' | 'title';

export type Paint = (text: string, meaning: Meaning) => string;

const LOOKS = {
  good: 'green',
  warning: 'yellow',
  bad: 'red',
  old: 'dim',
  title: 'bold',
} as const satisfies Readonly<Record<Meaning, Parameters<typeof styleText>[0]>>;

/** Whoever chooses it has asked already whether the reader shows colours. */
export const coloured: Paint = (text, meaning) => styleText(LOOKS[meaning], text, { validateStream: false });

export const plain: Paint = (text) => text;
