/** What the framework's operations have in common. */
export const OPERATION = { tag: 'operations', requestHeaders: [] } as const;
