import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  CarillonError,
  CloseCode,
  Command,
  closeCodeTable,
  commandDirection,
  commandName,
  commandNumber,
  ErrorCode,
  type ErrorName,
  errorByCode,
  errorByName,
  errorTable,
  httpStatusOf,
  limits,
  reconnectAdvice,
  retiredCommands,
} from "../src/index";
import { root, schemas } from "./golden";

const errorPage = readFileSync(join(root, "docs/errors.md"), "utf8");

describe("commands", () => {
  test("constants, look-ups and schemas agree", () => {
    const living = schemas.commands.filter((row) => !row.retired);
    expect(Object.entries(Command)).toEqual(living.map(({ name, number }) => [name, number]));
    for (const { name, number, fromClient, fromServer } of living) {
      expect(commandName(number)).toBe(name);
      expect(commandNumber(name)).toBe(number);
      expect(commandDirection(number)).toBe(fromClient ? (fromServer ? "both" : "client") : "server");
    }
    expect(retiredCommands.filter((number) => commandName(number) !== undefined)).toEqual([]);
    expect(commandName(999)).toBeUndefined();
    expect(commandNumber("toString")).toBeUndefined();
  });

  test("numbers and directions are those of protocol version 1", () => {
    const rows = schemas.commands.map(({ number, name, fromClient, fromServer }) => {
      return `${number} ${name} ${fromClient ? "c" : ""}${fromServer ? "s" : ""}`;
    });
    expect(rows.join(", ")).toBe(
      "1 CONNECT c, 2 CONNECTED s, 3 PING c, 4 PONG s, 5 GOAWAY s, 6 DISCONNECT c, 7 KICKED s, 8 ERROR s, 9 TOKEN c, " +
        "10 SEND c, 11 SENT s, 12 DELIVER s, 13 RECEIVED c, 14 NOTIFY s, 15 PULL c, 16 PULLED s, 17 SYNC c, " +
        "18 SYNCED s, 20 READ c, 21 READ_UPDATE s, 22 DELIVERED_UPDATE s, 23 RECALL c, 24 TYPING cs, 25 FOCUS c, " +
        "30 WATCH_PRESENCE c, 31 PRESENCE s, 40 CHANGED s, 47 OK s",
    );
  });
});

describe("errors", () => {
  test("table, constants, look-ups and docs agree", () => {
    expect(errorTable).toEqual(schemas.errors);
    expect(Object.entries(ErrorCode)).toEqual(schemas.errors.map(({ name, code }) => [name, code]));
    for (const row of errorTable) {
      expect(errorByName(row.name)).toEqual(row);
      expect(errorByCode(row.code)).toEqual(row);
      expect(errorPage).toContain(`| ${row.code} | ${row.name} | ${row.httpStatus} | ${row.retry} | ${row.text} |`);
    }
    const rowsOnPage = errorPage.match(/^\| 1\d{3} \|/gm) ?? [];
    expect(rowsOnPage).toHaveLength(errorTable.length);
  });

  test("no error of protocol version 1 is missing", () => {
    const names =
      "BAD_FRAME BAD_PAYLOAD UNKNOWN_COMMAND FRAME_TOO_LARGE NOT_AUTHENTICATED TOKEN_EXPIRED TOKEN_REVOKED " +
      "USER_DISABLED USER_MUTED NOT_FRIENDS BLOCKED NOT_A_MEMBER GROUP_DISSOLVED GROUP_MUTED NO_SUCH_USER " +
      "NO_SUCH_CONVERSATION NO_SUCH_MESSAGE RECALL_TOO_LATE RECALL_NOT_ALLOWED CONFLICT FORBIDDEN NOT_FOUND " +
      "RATE_LIMITED BUSY WRONG_GATEWAY UNAVAILABLE INTERNAL";
    expect(names.split(" ").filter((name) => errorByName(name) === undefined)).toEqual([]);
  });

  test("HTTP statuses are errors", () => {
    for (const { name, httpStatus } of errorTable)
      expect([name, httpStatus >= 400 && httpStatus < 600]).toEqual([name, true]);
  });

  test("CarillonError carries its row and travels as a payload", () => {
    const error = new CarillonError("RATE_LIMITED", "too fast", { retryAfterMs: 250 });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ code: 1900, name: "RATE_LIMITED", message: "too fast", retryAfterMs: 250 });
    expect([httpStatusOf(error), error.retry]).toEqual([429, "later"]);
    expect(error.toPayload()).toEqual({ code: 1900, name: "RATE_LIMITED", message: "too fast", retryAfterMs: 250 });
    expect(CarillonError.fromPayload(error.toPayload())).toEqual(error);
    expect(new CarillonError("BUSY").toPayload()).toEqual({
      code: 1901,
      name: "BUSY",
      message: errorByName("BUSY").text,
    });
    const cause = new Error("why");
    expect(new CarillonError("INTERNAL", undefined, { cause }).cause).toBe(cause);
  });

  test("an error that this version does not know keeps its number and name", () => {
    const error = CarillonError.fromPayload({ code: 1999, name: "NEWER", message: "?" });
    expect([error.code, error.name, error.message, error.retry, httpStatusOf(error)]).toEqual([
      1999,
      "NEWER",
      "?",
      "later",
      500,
    ]);
  });

  test("every name of the type is a row", () => {
    const names: ErrorName[] = Object.keys(ErrorCode) as ErrorName[];
    expect(names.map((name) => new CarillonError(name).code)).toEqual(errorTable.map((row) => row.code));
  });
});

describe("close codes", () => {
  test("table, constants and docs agree", () => {
    expect(closeCodeTable).toEqual(schemas.closeCodes);
    expect(Object.entries(CloseCode)).toEqual(schemas.closeCodes.map(({ name, code }) => [name, code]));
    for (const { code, name, text } of closeCodeTable) expect(errorPage).toContain(`| ${code} | ${name} | ${text} |`);
  });

  test("the range of a code tells a client what to do", () => {
    expect([4000, 4001, 4002, 4003, 4099].map(reconnectAdvice)).toEqual(new Array(5).fill("back-off"));
    expect([4100, 4101, 4102, 4199].map(reconnectAdvice)).toEqual(new Array(4).fill("new-token"));
    expect([4200, 4201, 4202, 4203, 4204, 4299].map(reconnectAdvice)).toEqual(new Array(6).fill("never"));
    expect([1000, 1006, 1009, 4300].map(reconnectAdvice)).toEqual(new Array(4).fill("back-off"));
  });
});

describe("limits", () => {
  test("belong together", () => {
    expect(limits).toEqual(schemas.limits);
    expect(limits.maxFrameLength).toBe(limits.maxPayloadBytes + limits.headerBytes - limits.lengthFieldBytes);
    expect(limits.maxFrameBytes).toBe(limits.maxPayloadBytes + limits.headerBytes);
    expect(schemas.definitions["content"]?.maxBytes).toBe(limits.maxContentBytes);
    expect(schemas.definitions["pageLimit"]?.maximum).toBe(limits.maxPageEntries);
  });
});
