import { type Server, ServerCredentials } from '@grpc/grpc-js';

/** Listens on a free port of this machine. @returns the port. */
export function bindGrpc(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}
