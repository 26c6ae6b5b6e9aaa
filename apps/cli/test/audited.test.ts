/** An act of the command line counts, whether the audit log can take it or not. */
import { audited } from "../src/cluster/audited";

const note = { act: "admin.node.drain", whom: "node:gateway-1" };
let told: string;
beforeEach(() => {
  told = "";
  jest.spyOn(process.stderr, "write").mockImplementation((text) => {
    told += text;
    return true;
  });
});
afterEach(() => jest.restoreAllMocks());

const away = async () => {
  throw new Error("connect ECONNREFUSED\u001b[2J");
};

test("a log that is away is told on standard error, and the result is returned", async () => {
  expect(await audited({ mysql: away }, note, async () => "draining")).toBe("draining");
  expect(told).toBe("carillon: this act is not in the audit log: connect ECONNREFUSED␛[2J\n");
});

test("the error of an act that failed is thrown, also when the log is away", async () => {
  const fail = async () => {
    throw new Error("no such node");
  };
  await expect(audited({ mysql: away }, note, fail)).rejects.toThrow("no such node");
  expect(told).toContain("not in the audit log");
});
