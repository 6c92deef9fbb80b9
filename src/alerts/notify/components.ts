/**
 * Strongly connected components of a directed graph: two nodes are in the same one if each can be reached from the other. Tarjan's
 * algorithm (SIAM Journal on Computing 1, 1972), without recursion: chains are as long as there are alerts.
 */

/** @param arrows of each node, the nodes that it points to. @returns of each node, its component's number */
export function components(arrows: readonly (readonly number[])[]): Int32Array {
  const count = arrows.length;
  const componentOf = new Int32Array(count).fill(-1);
  /** When a node was found; −1: not yet. */
  const found = new Int32Array(count).fill(-1);
  /** The earliest node on the stack that is reached from here. */
  const low = new Int32Array(count);
  const nextArrow = new Int32Array(count);
  const stack: number[] = [];
  const path: number[] = [];
  let time = 0;
  let last = 0;
  for (let root = 0; root < count; root++) {
    if (found[root] === -1) enter(root);
    while (path.length > 0) {
      const node = path.at(-1) as number;
      const next = arrows[node]?.[(nextArrow[node] as number)++];
      if (next === undefined) leave(node);
      else if (found[next] === -1) enter(next);
      else if (componentOf[next] === -1) low[node] = Math.min(low[node] as number, found[next] as number);
    }
  }
  return componentOf;

  function enter(node: number): void {
    found[node] = low[node] = time++;
    stack.push(node);
    path.push(node);
  }

  function leave(node: number): void {
    path.pop();
    const parent = path.at(-1);
    if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[node] as number);
    if (low[node] !== found[node]) return;
    for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
      componentOf[member] = last;
      if (member === node) break;
    }
    last++;
  }
}
