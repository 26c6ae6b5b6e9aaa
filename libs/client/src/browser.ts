/** The SDK for browsers, with a storage that all tabs of a browser share. */
export { type IndexedDbStorage, openIndexedDbStorage } from "./browser/indexed-db";
export * from "./index";
