/** The kinds of those who cause events. */
export const ACTOR_KINDS = ['user', 'key', 'process', 'operator', 'anonymous'] as const;
export type ActorKind = (typeof ACTOR_KINDS)[number];

/** Who caused an event. */
export interface Actor {
  readonly kind: ActorKind;
  /** Unique within its kind: for a user `<issuer>/<subject>`, for an API key the key's id. */
  readonly id: string;
}

/** Who sends a command. A decider may decide by it. */
export interface Principal extends Actor {
  /** Present if the principal is limited to one customer. It then sees and changes only what belongs to that customer. */
  readonly customerId?: string;
}

/** The text by which events and databases name an actor, for example `user:staff/7335d417`. For an anonymous one it is the id alone. */
export function actorText({ kind, id }: Actor): string {
  return kind === 'anonymous' ? id : `${kind}:${id}`;
}

/** Reads the text of an actor. A text from before authentication, such as `anonymous`, names nobody who was verified. */
export function parseActor(text: string): Actor {
  const end = text.indexOf(':');
  const kind = ACTOR_KINDS.find((known) => known === text.slice(0, end));
  return kind === undefined ? { kind: 'anonymous', id: text } : { kind, id: text.slice(end + 1) };
}
