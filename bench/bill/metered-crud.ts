import { operationsMeter } from '../../test/support/operations-meter.ts';
import app from '../contenders/crud/worker.ts';

/*
 * CRUD, on a database that counts.
 */

const meter = operationsMeter();

interface Bindings {
  readonly CRUD_DB: D1Database;
  readonly PROMISES?: string;
}

let metered: Bindings | undefined;

export default {
  fetch(request: Request<unknown, IncomingRequestCfProperties>, env, ctx) {
    if (new URL(request.url).pathname === '/operations-so-far') return Response.json(meter.take());
    meter.add({ workerRequests: 1 });
    metered ??= { ...env, CRUD_DB: meter.database(env.CRUD_DB) };
    return app.fetch(request, metered, ctx);
  },
} satisfies ExportedHandler<Bindings>;
