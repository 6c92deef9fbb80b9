/** Times copying bytes from one buffer to another, as from shared memory to a body. */
export function copiesMs(bytes: number, times: number): Float64Array {
  const from = Buffer.alloc(bytes, 1);
  const to = Buffer.alloc(bytes);
  to.set(from);
  return Float64Array.from({ length: times }, () => {
    const startMs = performance.now();
    to.set(from);
    return performance.now() - startMs;
  });
}
