/** The part of MessagePort that thread code uses, so that it also runs without a thread. */
export interface Port<In, Out> {
  postMessage(message: Out, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: In) => void): void;
  close(): void;
}

interface MessagePortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  close?(): void;
}

/** A typed view of a MessagePort or Worker. */
export function portOf<In, Out>(port: MessagePortLike): Port<In, Out> {
  return {
    postMessage: (message, transfer = []) => port.postMessage(message, [...transfer]),
    onMessage: (listener) => {
      port.on('message', listener as (message: unknown) => void);
    },
    close: () => port.close?.(),
  };
}
