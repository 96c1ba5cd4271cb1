// A widget's HTML as CloudWatch would let it in: without script, iframe, use, on… and javascript:. What could load or
// send something elsewhere goes as well; the page's Content-Security-Policy stands behind all of it.
// The parsed nodes themselves are taken over: nothing is written out and read again.
const REMOVED = "script, iframe, use, object, embed, base, meta, link, frame, frameset, portal, template, noscript";
const ATTRIBUTES = new Set(["srcdoc", "formaction", "ping", "autofocus", "srcset", "background", "is"]);
const URLS = new Set(["href", "src", "xlink:href", "data", "poster", "from", "to", "values", "by"]);
const SAFE = /^(https?:|mailto:|#|data:image\/(png|gif|jpeg|webp);)/i;

// Give the nodes, and the widget's style sheets as one.
export function clean(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const sheets = [...parsed.querySelectorAll("style")];
  const css = sheets.map((sheet) => sheet.textContent).join("\n");
  for (const gone of [...sheets, ...parsed.querySelectorAll(REMOVED)]) gone.remove();
  const kept = document.createDocumentFragment();
  for (const node of [...parsed.body.childNodes]) kept.append(document.importNode(node, true));
  for (const each of kept.querySelectorAll("*")) cleanAttributes(each);
  return { nodes: kept, css };
}

function cleanAttributes(each) {
  for (const { name, value } of [...each.attributes]) {
    const lower = name.toLowerCase();
    const plain = value.replace(/[\u0000-\u0020\u007f-\u00a0]/g, "");
    const isTarget = lower === "action" && each.localName === "form";
    const isBad = isTarget || lower.startsWith("on") || ATTRIBUTES.has(lower) || /javascript:/i.test(plain);
    if (isBad || (URLS.has(lower) && !SAFE.test(plain))) each.removeAttribute(name);
  }
  if (each.localName === "a") {
    each.setAttribute("target", "_blank");
    each.setAttribute("rel", "noopener noreferrer");
  }
}
