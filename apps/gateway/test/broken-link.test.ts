import { apiSender, commandSender } from "@carillon/bus";
import { doubtsAfter } from "../src/deliver/broken-link";

const nothing = { inboxes: false, sessions: false, notices: false };

test.each([
  ["a worker whose links begin anew", "worker-1", "begins", { ...nothing, inboxes: true }],
  ["a worker that is silent", "worker-1", "silent", { ...nothing, inboxes: true, notices: true }],
  ["a worker that jumps", "api-like-name", "jumps", { ...nothing, inboxes: true, notices: true }],
  ["an api that begins", apiSender("api-1"), "begins", { ...nothing, sessions: true }],
  ["an api that is silent", apiSender("api-1"), "silent", { ...nothing, sessions: true, notices: true }],
  ["a command that gives an order", commandSender("x1"), "begins", nothing],
  ["a command that is gone", commandSender("x1"), "silent", nothing],
] as const)("%s makes a gateway look at what it may have said", (_, sender, why, doubts) => {
  expect(doubtsAfter(sender, why)).toEqual(doubts);
});
