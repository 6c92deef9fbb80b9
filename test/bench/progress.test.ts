import { expect, test } from 'vitest';
import { Progress } from '../../bench/lib/progress.ts';

function streamOf(isTTY: boolean, columns?: number) {
  const written: string[] = [];
  const stream = {
    isTTY,
    ...(columns === undefined ? {} : { columns }),
    write: (text: string) => written.push(text) > 0,
  };
  return { stream, written };
}

test('on a terminal progress is one line, which is no wider than that', () => {
  const { stream, written } = streamOf(true, 30);
  const progress = new Progress(stream, 17);
  progress.next();
  progress.say('ingest-unary: run 2 of 3, which is a long story');
  progress.end();
  const [clear = '', line = ''] = written[0]?.split(/(?<=\[K)/) ?? [];
  expect(clear).toBe('\r\u001b[K');
  expect(line).toMatch(/^ {1,3}\d+ s {2}1\/17 {2}ingest-unary: ru?$/);
  expect(line).toHaveLength(29);
  expect(written.at(-1)).toBe('\r\u001b[K');
});

test('elsewhere each thing that is done is a line, and nothing is cleared', () => {
  const { stream, written } = streamOf(false);
  const progress = new Progress(stream, 2);
  progress.next();
  progress.say('sweep: run 1 of 1');
  progress.end();
  expect(written.join()).toMatch(/^ {1,3}\d+ s {2}sweep: run 1 of 1\n$/);
});
