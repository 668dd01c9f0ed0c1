import { access } from '../../src/access.ts';
import { type Env, bindings } from '../../src/bindings.ts';
import { domain } from '../../src/domain.ts';
import { groupOfQueue } from '../../src/tidemark/runtime/platform.ts';
import { tidemark } from '../../src/tidemark/worker.ts';
import { operationsMeter } from '../../test/support/operations-meter.ts';

/*
 * Tidemark as it is deployed, on a platform that counts. Speed is not measured here.
 */

const meter = operationsMeter();
const {
  handler,
  Aggregate: Plain,
  Rebuild,
} = tidemark({
  modules: domain,
  bindings,
  access,
  platform: meter.platform(),
});
const groups = bindings.groups.map(({ group }) => group);

export class Aggregate extends Plain {
  constructor(ctx: DurableObjectState, env: Env) {
    // Before anything else gets hold of the storage.
    meter.object(ctx.storage, ctx.id.toString());
    super(ctx, env);
  }

  override async alarm(): Promise<void> {
    meter.alarmRun(this.ctx.id.toString());
    await super.alarm();
  }
}

export { Rebuild };

export default {
  async fetch(request: Request<unknown, IncomingRequestCfProperties>, env, ctx) {
    if (new URL(request.url).pathname === '/operations-so-far') return Response.json(meter.take());
    meter.add({ workerRequests: 1 });
    return handler.fetch?.(request, env, ctx) ?? new Response(null, { status: 500 });
  },
  async queue(batch, env, ctx) {
    meter.received(batch.messages, groupOfQueue(batch.queue, groups)?.name);
    await handler.queue?.(batch, env, ctx);
  },
} satisfies ExportedHandler<Env>;
