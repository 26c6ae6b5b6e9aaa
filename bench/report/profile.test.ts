import { type CpuProfile, describeProfile, summariseProfiles } from "./profile";

const frame = (functionName: string, url = "") => ({ functionName, url, lineNumber: 9 });

const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame("(root)"), children: [2, 5] },
    { id: 2, callFrame: frame("handle", "/home/x/apps/gateway/dist/main.js"), children: [3] },
    { id: 3, callFrame: frame("handle", "/home/x/apps/gateway/dist/main.js"), children: [4] },
    { id: 4, callFrame: frame("writeBuffer") },
    { id: 5, callFrame: frame("(idle)") },
  ],
  samples: [2, 3, 4, 5],
  timeDeltas: [100, 200, 300, 9_000],
};

test("shares of the busy time, idling left out; a function that calls itself counts once", () => {
  const { busySeconds, self, inclusive } = summariseProfiles([profile, profile]);
  expect(busySeconds).toBeCloseTo(0.0012);
  expect(self).toEqual([
    ["handle apps/gateway/dist/main.js:10", 0.5],
    ["writeBuffer", 0.5],
  ]);
  expect(inclusive).toEqual([["handle apps/gateway/dist/main.js:10", 1]]);
});

test("a profile is described in lines for people", () => {
  const lines = describeProfile("gateway", summariseProfiles([profile]));
  expect(lines).toContain("     50.0 %  writeBuffer");
  expect(lines[0]).toContain("gateway: busy");
});

test("a profile without samples is empty", () => {
  expect(summariseProfiles([{ nodes: [], samples: [], timeDeltas: [] }])).toEqual({
    busySeconds: 0,
    self: [],
    inclusive: [],
  });
});
