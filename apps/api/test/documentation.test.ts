/** Each route says what it is for, whom it lets in, what goes in and out, and how it fails; and its examples are true. */
import { errorTable } from "@carillon/protocol";
import { Compile } from "typebox/compile";
import { type OpenApiPage, type OpenApiRoute, readOpenApi } from "../src/document";

let page: OpenApiPage;
let routes: [name: string, route: OpenApiRoute][];
beforeAll(async () => {
  page = await readOpenApi();
  routes = Object.entries(page.paths)
    .filter(([path]) => path.startsWith("/v1/"))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, route]): [string, OpenApiRoute] => [`${method} ${path}`, route]),
    );
});

const without = (lacks: (route: OpenApiRoute) => boolean) =>
  routes.filter(([, route]) => lacks(route)).map(([name]) => name);

test("there are routes", () => {
  expect(routes.length).toBeGreaterThan(50);
});

test("each has a summary, a tag and an access", () => {
  expect(without(({ summary = "" }) => summary.length < 5)).toEqual([]);
  expect(without(({ tags }) => tags?.length !== 1)).toEqual([]);
  expect(without(({ description = "" }) => !/Access: .*\.$/m.test(description))).toEqual([]);
});

test("each names its errors, of the table, under their status", () => {
  const rows = new Map(errorTable.map((row) => [row.name as string, row]));
  const wrong = routes.flatMap(([name, { responses }]) =>
    Object.entries(responses)
      .filter(([status]) => Number(status) >= 400)
      .filter(([status, { description }]) =>
        description.split(", ").some((error) => rows.get(error)?.httpStatus !== Number(status)),
      )
      .map(([status]) => `${name} ${status}`),
  );
  expect(wrong).toEqual([]);
  expect(without(({ responses }) => responses["503"] === undefined)).toEqual([]);
});

/** Statuses that say everything; a browser follows 302. */
const WITHOUT_BODY = ["204", "302"];

test("each answers success with a shape, or with nothing", () => {
  const successes = ({ responses }: OpenApiRoute) =>
    Object.entries(responses).filter(([status]) => Number(status) < 400);
  expect(without((route) => successes(route).length === 0)).toEqual([]);
  expect(
    without((route) => successes(route).some(([status, { content }]) => !WITHOUT_BODY.includes(status) && !content)),
  ).toEqual([]);
});

test("bodies and answers have examples, and the examples are of their own shape", () => {
  const wrong = routes.flatMap(([name, { requestBody, responses }]) => {
    const parts = [
      ["body", requestBody?.content],
      ...Object.entries(responses).map(([status, { content }]) => [status, content]),
    ];
    return parts.flatMap(([where, content]) => {
      const { schema, example, examples } = ((content as OpenApiRoute["requestBody"] & object)?.[
        "application/json" as never
      ] ?? {}) as { schema?: { type?: string }; example?: unknown; examples?: Record<string, { value: unknown }> };
      if (schema === undefined || schema.type === "null") return [];
      const all = examples === undefined ? [example] : Object.values(examples).map(({ value }) => value);
      const validator = Compile(schema as never);
      return all.every((one) => one !== undefined && validator.Check(one))
        ? []
        : [`${name} ${where} ${JSON.stringify(all)}`];
    });
  });
  expect(wrong).toEqual([]);
});

test("examples name addresses as a gateway makes them, and roles that users have", () => {
  const text = JSON.stringify(routes.map(([, { responses }]) => responses));
  const addresses = [...text.matchAll(/"ws":"([^"]*)"/g)].map(([, address]) => address);
  expect(addresses.length).toBeGreaterThan(1);
  for (const address of addresses) expect(address).toMatch(/^ws:\/\/[\w.]+:\d+\/ws$/);
  const [, user] = routes.find(([name]) => name === "get /v1/admin/users/{userId}")!;
  expect(user.responses["200"]?.content?.["application/json"]).toMatchObject({ example: { role: "user" } });
});

test("every list is asked and answered by the page", () => {
  const lists = routes.filter(([, { responses }]) => {
    const shape = responses["200"]?.content?.["application/json"]?.schema as { properties?: object } | undefined;
    return shape?.properties !== undefined && "items" in shape.properties;
  });
  // These have a bound of their own: the devices of a user, those who were named, the nodes and partitions of a cluster.
  const bounded = ["get /v1/sessions", "get /v1/presence", "get /v1/admin/nodes", "get /v1/admin/partitions"];
  const ofMembers = "post /v1/admin/groups/{groupId}/members";
  bounded.push(ofMembers, `${ofMembers}/remove`);
  const unpaged = lists.filter(([, { parameters = [] }]) => {
    const names = parameters.map(({ name }) => name);
    return !names.includes("limit") || !names.includes("cursor");
  });
  expect(unpaged.map(([name]) => name).sort()).toEqual(bounded.sort());
});

interface Part {
  type?: string;
  pattern?: string;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  /** What a text is for, which says what may stand in it. */
  words?: string;
  maxItems?: number;
  properties?: Record<string, Part>;
  items?: Part;
}

/** Paths of what has no bound. */
function unbounded({ type, properties, items, ...part }: Part, path: string): string[] {
  const own =
    ((type === "integer" || type === "number") && (part.minimum === undefined || part.maximum === undefined)) ||
    (type === "string" && part.maxLength === undefined && part.pattern === undefined && part.enum === undefined) ||
    (type === "array" && part.maxItems === undefined);
  return [
    ...(own ? [path] : []),
    ...Object.entries(properties ?? {}).flatMap(([key, value]) => unbounded(value, `${path}.${key}`)),
    ...(items === undefined ? [] : unbounded(items, `${path}[]`)),
  ];
}

test("whatever a request may hold has a bound: numbers, texts and lists", () => {
  const found = routes.flatMap(([name, { requestBody, parameters = [] }]) => {
    const body = (requestBody?.content as Record<string, { schema: Part }> | undefined)?.["application/json"]?.schema;
    const queries = (parameters as { name: string; in: string; schema: Part }[]).filter((one) => one.in === "query");
    return [
      ...(body === undefined ? [] : unbounded(body, `${name} body`)),
      ...queries.flatMap(({ name: key, schema }) => unbounded(schema, `${name} ${key}`)),
    ];
  });
  expect(found).toEqual([]);
});

/** Texts that nobody else is shown as somebody's or something's name. */
const NO_NAMES = ["content", "password", "oldPassword", "newPassword", "refreshToken", "clientMsgId", "to"];

/** Keys of free texts that are not checked as what people are shown. */
function unchecked({ type, properties, items, ...part }: Part, key: string): string[] {
  const isFree = type === "string" && part.pattern === undefined && part.enum === undefined;
  return [
    ...(isFree && part.words === undefined && !NO_NAMES.includes(key) ? [key] : []),
    ...Object.entries(properties ?? {}).flatMap(([name, value]) => unchecked(value, name)),
    ...(items === undefined ? [] : unchecked(items, key)),
  ];
}

test("whatever a person types and others are shown is checked as a name, a remark or a notice", () => {
  const bodies = routes.flatMap(([name, { requestBody }]) => {
    const body = (requestBody?.content as Record<string, { schema: Part }> | undefined)?.["application/json"]?.schema;
    return body === undefined ? [] : [[name, body] as const];
  });
  expect(bodies.length).toBeGreaterThan(15);
  expect(bodies.flatMap(([name, body]) => unchecked(body, "").map((key) => `${name} ${key}`))).toEqual([]);
});
