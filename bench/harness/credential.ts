/** Who sends the load: the development key with every scope. Contenders with Tidemark's HTTP layer check it; the others ignore it. */
export const CREDENTIAL = { authorization: 'Bearer dev-admin' } as const;
