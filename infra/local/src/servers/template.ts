import { readFileSync } from "node:fs";
import path from "node:path";
import { findCheckout } from "../checkout";

/**
 * Fills `${name}` in a text. A name without a value and a value without a place are errors: both mean that
 * template and code have drifted apart.
 */
export function renderTemplate(text: string, values: Record<string, string | number>): string {
  const used = new Set<string>();
  const rendered = text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) {
      throw new Error(`the template asks for \${${name}}, which has no value`);
    }
    used.add(name);
    return String(value);
  });
  const unused = Object.keys(values).filter((name) => !used.has(name));
  if (unused.length > 0) {
    throw new Error(`the template has no place for ${unused.join(", ")}`);
  }
  return rendered;
}

/** Fills a template of `infra/`, such as `nats.conf`. */
export function renderInfra(name: string, values: Record<string, string | number>): string {
  return renderTemplate(readFileSync(path.join(findCheckout(), "infra", name), "utf8"), values);
}
