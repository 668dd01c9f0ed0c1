import { tidemark } from '../../src/tidemark/worker.ts';
import { system } from './system.ts';

const { handler, Aggregate, Rebuild } = tidemark(system);

export { Aggregate, Rebuild };
export default handler;
