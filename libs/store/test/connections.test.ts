import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { readTls, SettingsError } from "@carillon/base/node";
import { connectionOptions, dataSourceOptions } from "../src/mysql/connections";

const OFF = { enabled: false, verify: true };

test("an address gives the pools and TypeORM the same", () => {
  const url = "mysql://us%20er:p%40ss@[::1]:3307/chat";
  const expected = { host: "::1", port: 3_307, password: "p@ss", database: "chat" };
  expect(connectionOptions({ url })).toMatchObject({ ...expected, user: "us er" });
  expect(dataSourceOptions({ url })).toMatchObject({ ...expected, type: "mysql", username: "us er" });
  expect(connectionOptions({ url: "mysql://u@h/d", tls: OFF })).toMatchObject({ host: "h", port: 3_306 });
  expect(connectionOptions({ url, tls: OFF })).not.toHaveProperty("ssl");
});

test.each([
  ["?ssl=true", {}],
  ["?ssl=verify", {}],
  ["?ssl=no-verify", { rejectUnauthorized: false }],
  [`?ssl=${encodeURIComponent('{"rejectUnauthorized":false}')}`, { rejectUnauthorized: false }],
  ["?ssl=false", undefined],
  ["", undefined],
])("%s", (query, ssl) => {
  const url = `mysql://u:p@h:1/d${query}`;
  expect([connectionOptions({ url }).ssl, (dataSourceOptions({ url }) as { ssl?: unknown }).ssl]).toEqual([ssl, ssl]);
});

test.each([
  ["h:3306/d", "mysql.url"],
  ["postgres://h/d", "mysql.url"],
  ["mysql://u:secret@h/d?ssl=perhaps", "mysql.url: ssl must be"],
  ["mysql://u:secret@h/d?ssl=[]", "mysql.url: ssl must be"],
  ["mysql://u:secret@h/d?sslmode=require", "mysql.url: unknown option sslmode"],
])("%s is refused, without its password", (url, words) => {
  expect(() => connectionOptions({ url })).toThrow(SettingsError);
  expect(() => connectionOptions({ url })).toThrow(words);
  expect(() => connectionOptions({ url })).not.toThrow("secret");
});

describe("a section of TLS settings", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), "carillon-tls-"));
    for (const name of ["ca", "cert", "key"]) writeFileSync(path.join(directory, `${name}.pem`), `the ${name}`);
  });
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = (name: string) => path.join(directory, `${name}.pem`);

  test("names files, which go before what the address says", () => {
    const tls = { enabled: true, verify: true, caFile: file("ca"), certFile: file("cert"), keyFile: file("key") };
    const read = { ca: "the ca", cert: "the cert", key: "the key", rejectUnauthorized: true };
    expect(readTls("nats.tls", tls)).toEqual(read);
    expect(connectionOptions({ url: "mysql://u@h/d?ssl=no-verify", tls }).ssl).toEqual(read);
  });

  test("that names what is not used, or cannot be read, is refused", () => {
    const refused = (settings: object) => () => readTls("redis.tls", { ...OFF, ...settings });
    expect(refused({ caFile: file("ca") })).toThrow("redis.tls.caFile is set, but redis.tls.enabled is false");
    expect(refused({ enabled: true, certFile: file("cert") })).toThrow("keyFile belong together");
    expect(refused({ enabled: true, caFile: file("none") })).toThrow("redis.tls.caFile: cannot read");
    expect(readTls("redis.tls", undefined)).toBeUndefined();
    expect(readTls("redis.tls", OFF)).toBeUndefined();
  });
});
