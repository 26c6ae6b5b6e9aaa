/** An address in front of the path: only a request to a proxy has one, and its host is nobody's business here. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;

/**
 * The path of a request's target, as it was sent: without query, nothing decoded. Whatever a stranger wrote there, it
 * does not throw, as the constructor of URL does for `//` and `http://[`.
 * @returns "/" when there is no path
 */
export function pathOf(target: string | undefined): string {
  const [path = ""] = (target ?? "").replace(ORIGIN, "").split(/[?#]/, 1);
  return path === "" ? "/" : path;
}
