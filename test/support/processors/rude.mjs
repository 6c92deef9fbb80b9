/** Rejects everything, in words that a terminal would obey. */
export default function process() {
  return { reject: `no\x1b[31m\r\n ${'é'.repeat(5000)}` };
}
