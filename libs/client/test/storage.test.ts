/** Tests of one contract on three storages, then of damage, growth and lock of a folder. */
import "fake-indexeddb/auto";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openIndexedDbStorage } from "../src/browser/indexed-db";
import { Listeners } from "../src/core";
import { CarillonClient } from "../src/node";
import { openFileStorage } from "../src/node/file-storage";
import { claimStorage } from "../src/storage/identity";
import { KeyValueStorage } from "../src/storage/key-value-storage";
import { type ClientStorage, MemoryStorage, readJson } from "../src/storage/storage";
import { SINCE, ViewStore } from "../src/view/view-store";
import { viewOf } from "../src/view-of";

/** The events of a client; its failures are recorded. */
function eventsWith(errors: string[]): Listeners {
  const events = new Listeners(new AbortController().signal);
  events.fail = ({ message }) => void errors.push(message);
  return events;
}

let folder: string;
let opened: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "carillon-storage-"));
});
afterEach(async () => {
  for (const close of opened) await close();
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

const inFolder = async (where = folder) => {
  const storage = await openFileStorage(where);
  opened.push(() => storage.close());
  return storage;
};
/** A slow store like AsyncStorage of React Native. */
function keyValueStore() {
  const values = new Map<string, string>([["not ours", "1"]]);
  const later = async <T>(work: () => T) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random()));
    return work();
  };
  return {
    getItem: (key: string) => later(() => values.get(key) ?? null),
    setItem: (key: string, value: string) => later(() => void values.set(key, value)),
    removeItem: (key: string) => later(() => void values.delete(key)),
    getAllKeys: () => later(() => [...values.keys()]),
  };
}

const inBrowser = async (name = folder) => {
  const storage = await openIndexedDbStorage(name);
  opened.push(() => storage.close());
  return storage;
};

const storages: [name: string, open: () => Promise<ClientStorage & { close?: () => unknown }>, lasts: boolean][] = [
  ["memory", async () => new MemoryStorage(), false],
  ["file", inFolder, true],
  ["IndexedDB", inBrowser, true],
  ["a store of keys and values", async () => new KeyValueStorage(keyValueStore(), "carillon/"), false],
];

describe.each(storages)("%s", (_, open, lasts) => {
  test("returns the value that was set last, and nothing for a deleted or unknown key", async () => {
    const storage = await open();
    expect([await storage.get("a"), await storage.keys()]).toEqual([undefined, []]);
    await storage.set("a", "1");
    await storage.set("b", "2");
    await storage.set("a", "3");
    await storage.delete("b");
    await storage.delete("never set");
    expect([await storage.get("a"), await storage.get("b"), await storage.keys()]).toEqual(["3", undefined, ["a"]]);
  });

  test("takes any text: empty, line breaks, other scripts, long; keys too", async () => {
    const storage = await open();
    const texts = ["", "a\nb\r\n", '\u2028\u0000\\"', "héllo 你好 🎉", "x".repeat(200_000)];
    for (const text of texts) await storage.set(`key ${text.slice(0, 50)}`, text);
    for (const text of texts) expect(await storage.get(`key ${text.slice(0, 50)}`)).toBe(text);
    expect((await storage.keys()).sort()).toEqual(texts.map((text) => `key ${text.slice(0, 50)}`).sort());
  });

  test("applies the changes of a key in the order of the calls", async () => {
    const storage = await open();
    const changes: Promise<void>[] = [];
    for (let i = 0; i < 50; i++) changes.push(storage.set("key", `${i}`), storage.set(`other-${i}`, "1"));
    changes.push(storage.delete("other-7"), storage.delete("key"), storage.set("key", "last"));
    await Promise.all(changes);
    expect([await storage.get("key"), (await storage.keys()).length]).toEqual(["last", 50]);
  });

  test("reads a value that is no JSON as none, and belongs to one device and user", async () => {
    const storage = await open();
    await storage.set("bad", "{");
    await storage.set("good", '{"a":1}');
    expect([await readJson(storage, "bad"), await readJson(storage, "good")]).toEqual([undefined, { a: 1 }]);
    await claimStorage(storage, { deviceId: "phone" });
    await claimStorage(storage, { deviceId: "phone", userId: "alice" });
    await claimStorage(storage, { deviceId: "phone" });
    await expect(claimStorage(storage, { deviceId: "tablet" })).rejects.toThrow("belongs to device phone");
    await expect(claimStorage(storage, { deviceId: "phone", userId: "bob" })).rejects.toThrow("belongs to user alice");
  });

  test("keeps the view bounded, writes its sync point last, and deletes other versions of it", async () => {
    const storage = await open();
    await Promise.all([storage.set("view/0/old", "1"), storage.set("inbox", "2"), storage.set("view/1/a b", "{")]);
    const changes = new Map<string, unknown>();
    const takeChanges = () => {
      const taken = new Map(changes);
      changes.clear();
      return taken;
    };
    const errors: string[] = [];
    const core = { storage, keeps: () => true, events: eventsWith(errors) };
    const store = new ViewStore(core, takeChanges);
    expect([...(await store.restore())]).toEqual([["a b", undefined]]);
    expect((await storage.keys()).sort()).toEqual(["inbox", "view/1/a b"]);
    // Blocks of messages are added and deleted, as with each message over a long time.
    for (let i = 0; i < 300; i++) {
      changes.set(`messages/p:a:b/${i}`, [{ seq: i, content: "x".repeat(100) }]);
      if (i >= 5) changes.set(`messages/p:a:b/${i - 5}`, undefined);
      changes.set("conversation/p:a:b", { i });
      changes.set(SINCE, { conversationsSince: i });
      await new ViewStore(core, takeChanges).stop();
    }
    await store.stop();
    const keys = (await storage.keys()).filter((key) => key.startsWith("view/1/messages/"));
    expect(keys.sort()).toEqual([295, 296, 297, 298, 299].map((i) => `view/1/messages/p:a:b/${i}`));
    expect([await readJson(storage, `view/1/${SINCE}`), errors]).toEqual([{ conversationsSince: 299 }, []]);
  });

  if (!lasts) return;
  test("keeps its values when it is opened again", async () => {
    const storage = await open();
    await Promise.all([storage.set("a", "1"), storage.set("b", "2"), storage.set("c", "3"), storage.delete("b")]);
    await storage.close?.();
    await expect((async () => storage.set("a", "too late"))()).rejects.toThrow();
    const again = await open();
    expect([await again.get("a"), await again.get("b"), await again.get("c")]).toEqual(["1", undefined, "3"]);
  });
});

test("the file storage cuts off a torn last line at every byte, and refuses damage in the middle", async () => {
  const storage = await inFolder();
  await storage.set("a", "1");
  const log = path.join(folder, "values.log");
  const first = statSync(log).size;
  await Promise.all([storage.set("a", "2"), storage.set("b", "2")]);
  await storage.close();
  const whole = readFileSync(log);
  for (let bytes = first; bytes < whole.length; bytes += 3) {
    writeFileSync(log, whole.subarray(0, bytes));
    const torn = await openFileStorage(folder);
    expect([await torn.get("a"), await torn.get("b")]).toEqual(["1", undefined]);
    await torn.set("c", "after");
    await torn.close();
    const again = await openFileStorage(folder);
    expect([await again.get("a"), await again.get("c")]).toEqual(["1", "after"]);
    await again.close();
  }
  const damaged = Buffer.from(whole);
  damaged[12] = damaged[12]! ^ 1;
  writeFileSync(log, damaged);
  await expect(openFileStorage(folder)).rejects.toThrow("damaged at byte 0");
  // The refusal has not left the folder locked, and has changed nothing.
  expect(readFileSync(log)).toEqual(damaged);
  writeFileSync(log, whole);
  appendFileSync(log, Buffer.alloc(100));
  expect(await (await inFolder()).get("b")).toBe("2");
});

test("the file storage stays within a few times its content, also across compactions", async () => {
  const storage = await inFolder();
  const value = (i: number) => `${i} ${"x".repeat(1_000)}`;
  let largest = 0;
  for (let i = 0; i < 3_000; i++) {
    await storage.set(`key-${i % 20}`, value(i));
    largest = Math.max(largest, statSync(path.join(folder, "values.log")).size);
  }
  expect(largest).toBeGreaterThan(200_000);
  expect(largest).toBeLessThan(300_000);
  await storage.close();
  const again = await inFolder();
  for (let i = 2_980; i < 3_000; i++) expect(await again.get(`key-${i % 20}`)).toBe(value(i));
});

test("one process at a time opens a folder, and one of many takes over the lock of a dead process", async () => {
  const storage = await inFolder();
  await expect(openFileStorage(folder)).rejects.toThrow("in use by this process already");
  await storage.close();
  const lock = path.join(folder, "lock");
  // The parent of this process lives, and the lock does not tell when it started, so the lock counts as valid.
  writeFileSync(lock, JSON.stringify({ pid: process.ppid, began: "" }));
  await expect(openFileStorage(folder)).rejects.toThrow(`in use by process ${process.ppid}`);
  writeFileSync(lock, JSON.stringify({ pid: 2 ** 22 + 1, began: "1" }));
  const attempts = await Promise.allSettled([
    openFileStorage(folder),
    openFileStorage(folder),
    openFileStorage(folder),
  ]);
  const won = attempts.filter((attempt) => attempt.status === "fulfilled");
  expect(won).toHaveLength(1);
  await won[0]!.value.close();
  // A process may have the id of a dead one: where the system tells when a process started, it is not mistaken for that one.
  writeFileSync(lock, JSON.stringify({ pid: process.pid, began: "long ago" }));
  await inFolder();
});

test("a full disk rejects the write and leaves the earlier values as they were", async () => {
  const storage = await inFolder();
  await storage.set("a", "1");
  const handle = (storage as unknown as { log: { datasync(): Promise<void> } }).log;
  const datasync = jest.spyOn(handle, "datasync").mockRejectedValueOnce(new Error("no space left"));
  await expect(storage.set("a", "2")).rejects.toThrow("no space left");
  datasync.mockRestore();
  expect(await storage.get("a")).toBe("1");
  await storage.set("b", "2");
  await storage.close();
  const again = await inFolder();
  expect([await again.get("a"), await again.get("b")]).toEqual(["1", "2"]);
});

test("the next change also writes the refused values of the view, and the sync point is not ahead of them", async () => {
  const storage = new MemoryStorage();
  const changes = new Map<string, unknown>([
    [SINCE, { conversationsSince: 1 }],
    ["conversation/p:a:b", { lastSeq: 1 }],
    ["messages/p:a:b/0", [1]],
  ]);
  const written: string[] = [];
  const kept = storage.set.bind(storage);
  let isFull = true;
  jest.spyOn(storage, "set").mockImplementation(async (key, value) => {
    if (isFull && key.startsWith("view/1/conversation")) throw new Error("no space left");
    written.push(key);
    await kept(key, value);
  });
  const errors: string[] = [];
  const takeChanges = () => {
    const taken = new Map(changes);
    changes.clear();
    return taken;
  };
  jest.useFakeTimers();
  try {
    const store = new ViewStore({ storage, keeps: () => true, events: eventsWith(errors) }, takeChanges);
    store.note();
    await jest.advanceTimersByTimeAsync(1_000);
    expect([written, errors]).toEqual([["view/1/messages/p:a:b/0"], ["no space left"]]);
    isFull = false;
    changes.set("group/choir", {});
    await jest.advanceTimersByTimeAsync(2_000);
    expect(written.slice(2).sort()).toEqual(["view/1/conversation/p:a:b", "view/1/group/choir", "view/1/since"]);
    expect(written.at(-1)).toBe("view/1/since");
  } finally {
    jest.useRealTimers();
  }
});

test("deleted values of the view take no room in the file, and the others are restored", async () => {
  const storage = await inFolder();
  const block = JSON.stringify("x".repeat(5_000));
  let largest = 0;
  for (let i = 0; i < 1_000; i++) {
    await Promise.all([
      storage.set(`view/1/messages/p:a:b/${i}`, block),
      storage.delete(`view/1/messages/p:a:b/${i - 7}`),
    ]);
    largest = Math.max(largest, statSync(path.join(folder, "values.log")).size);
  }
  expect(largest).toBeLessThan(300_000);
  await storage.close();
  const again = await inFolder();
  expect(await again.keys()).toHaveLength(7);
});

test("a client continues from a folder of the version before the view", async () => {
  const former = await inFolder();
  const values: Record<string, string> = {
    device: '{"deviceId":"phone","userId":"bob"}',
    tokens: '{"userId":"bob","refreshToken":"r"}',
    inbox: '{"epoch":"e","seq":3}',
    conversations: "true",
    "conversation/p:alice:bob": '{"upTo":3,"known":3}',
    "outbox/01932c07-0000-7000-8000-000000000000":
      '{"payload":{"clientMsgId":"01932c07-0000-7000-8000-000000000000","to":"u:alice","contentType":"text","content":"waits"},"order":1}',
  };
  await Promise.all(Object.entries(values).map(([key, value]) => former.set(key, value)));
  await former.close();
  const storage = await inFolder();
  const options = { api: "http://127.0.0.1:1", token: "t", deviceId: "phone", platform: "other" } as const;
  const client = new CarillonClient({ ...options, storage });
  await viewOf(client).restored;
  expect(client.userId).toBe("bob");
  const { items } = viewOf(client).messages("p:alice:bob");
  expect(items.map(({ content, status }) => [content, status])).toEqual([["waits", "sending"]]);
  await client.close();
  for (const [key, value] of Object.entries(values)) expect(await storage.get(key)).toBe(value);
});

test("writes to an open storage fail when its folder was deleted", async () => {
  const where = path.join(folder, "phone");
  const storage = await inFolder(where);
  await storage.set("a", "1");
  rmSync(where, { recursive: true });
  await expect(storage.set("b", "2")).rejects.toThrow("was deleted while it was open");
  expect([await storage.get("a"), await storage.get("b")]).toEqual(["1", undefined]);
});
