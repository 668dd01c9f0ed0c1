/** A value that survives JSON unchanged. Events, states and rows consist of such values. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** A JSON object. Its `undefined` members are not stored, as in JSON. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}
