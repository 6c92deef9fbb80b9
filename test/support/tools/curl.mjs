/** Enough of curl for the README's commands, for machines without one. */
const url = process.argv.slice(2).find((arg) => !arg.startsWith('-')) ?? '';
const response = await fetch(url);
process.stdout.write(Buffer.from(await response.arrayBuffer()));
