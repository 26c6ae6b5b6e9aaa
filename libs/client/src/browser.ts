/** The SDK for browsers, with what only they have: a storage that all tabs have in common. */
export { type IndexedDbStorage, openIndexedDbStorage } from "./browser/indexed-db";
export * from "./index";
