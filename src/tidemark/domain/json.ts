/** A value that survives JSON unchanged: what events, states and rows are made of. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** A JSON object. `undefined` members are left out when it is stored, as JSON does. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}
