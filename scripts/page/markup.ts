/** The common parts of the pages that bench and fault machine write: one file without other files, for any browser. Pure. */
const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #222; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.ok { color: #1b7837; } .failed { color: #b2182b; font-weight: 600; } .quiet { color: #666; }
svg { width: 100%; height: auto; } svg text { font-family: system-ui, sans-serif; }
h2 { margin-top: 2.5rem; } li { font-family: ui-monospace, monospace; font-size: 13px; }`;

/** @param body markup */
export function renderDocument(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escapeMarkup(title)}</title><style>${STYLE}</style>
${body}
</html>
`;
}

export function escapeMarkup(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
