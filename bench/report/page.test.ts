import { makeAccount } from "../account/account";
import { bars, percentileChart, short, stackedBars } from "./charts";
import { type PageData, renderResultPage } from "./page";
import { judge } from "./targets";

const usage = (cpu: number) => ({ processes: 1, cpu, resident: 100, systemCalls: 5, writtenBytes: 10 });
const account = makeAccount(
  1_000,
  2,
  new Map([
    ["gateway", usage(40_000)],
    ["<NATS>", usage(20_000)],
  ]),
  5_000,
  {
    fsyncs: { "<NATS>": 200 },
    batches: { "queue batch": 50 },
    gcMs: { gateway: 20 },
  },
);

const data: PageData = {
  scenario: "private",
  at: "2027-01-01T00:00:00.000Z",
  machine: { cores: 2, model: "a & b", node: "v20" },
  ok: true,
  targets: [judge("P1", 61), judge("P2", 100)],
  lines: ["5 < 6"],
  accounts: [{ name: "carillon", per: "message", account }],
  memory: {},
  curves: [
    {
      label: "carillon",
      points: [
        [0, 0.5],
        [50, 4],
        [99, 30],
        [100, 200],
      ],
    },
  ],
};

test("a page has targets, charts and the account, loads nothing from elsewhere, and escapes its texts", () => {
  const page = renderResultPage(data);
  expect(page).toContain("must is met");
  expect(page).toContain("missed");
  expect(page.match(/<svg/g)).toHaveLength(3);
  expect(page).toContain("a &amp; b");
  expect(page).toContain("5 &lt; 6");
  expect(page).not.toContain("<NATS>");
  expect(page).not.toMatch(/https?:|NaN|undefined|Infinity/);
});

test("a page of a run without charts is complete", () => {
  const page = renderResultPage({ ...data, ok: false, accounts: [], curves: [], targets: [] });
  expect(page).not.toContain("<svg");
  expect(page).toContain("not everything was as promised");
});

test("a page shows the memory of a connection, server by server", () => {
  const page = renderResultPage({
    ...data,
    accounts: [],
    curves: [],
    memory: { "carillon TCP (T2)": 5.5, "b (T0)": 0 },
  });
  expect(page).toContain("Memory per connection");
  expect(page).toContain("carillon TCP (T2)");
  expect(page).toContain("5.5 KB");
  expect(page.match(/<svg/g)).toHaveLength(1);
  expect(page).not.toMatch(/NaN|Infinity/);
});

test("bars are as long as their parts, and charts accept zeros", () => {
  const two = stackedBars(
    [
      { label: "a", parts: { x: 30, y: 10 } },
      { label: "b", parts: { y: 80 } },
    ],
    "us",
  );
  const widths = [...two.matchAll(/<rect x="[\d.]+" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
  expect(widths.filter((width) => width !== 12)).toEqual([270, 90, 720]);
  expect(stackedBars([{ label: "a", parts: {} }], "us")).not.toMatch(/NaN|Infinity/);
  expect(
    percentileChart([
      {
        label: "a",
        points: [
          [0, 0],
          [100, 0],
        ],
      },
    ]),
  ).not.toMatch(/NaN|Infinity/);
  expect(bars({ a: 0 }, "")).not.toMatch(/NaN|Infinity/);
});

test("numbers are as short as they can be", () => {
  expect([0, 0.0512, 3.2345, 42.42, 1234.5].map(short)).toEqual(["0", "0.051", "3.2", "42.4", "1235"]);
});
