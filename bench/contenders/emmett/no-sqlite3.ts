/** Stands in for the package `sqlite3`, which `@event-driven-io/emmett-sqlite` imports and which cannot be bundled. */
export default {};
