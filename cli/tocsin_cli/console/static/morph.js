// Make the nodes that are shown like fresh ones, and keep each that stands for the same thing: with it stay its focus,
// its scroll and what is selected in it. Rows are told apart by `id` or `data-id`.
const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset?.id || "" : "");

const alike = (one, other) => one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

export function morph(shown, fresh) {
  const left = new Set(shown.childNodes);
  let at = shown.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const found = match(left, at, wanted);
    if (found === null) {
      shown.insertBefore(wanted, at);
      continue;
    }
    left.delete(found);
    if (found === at) at = at.nextSibling;
    else shown.insertBefore(found, at);
    update(found, wanted);
    while (at !== null && !left.has(at)) at = at.nextSibling;
  }
  for (const gone of left) gone.remove();
}

function match(left, at, wanted) {
  if (at !== null && left.has(at) && alike(at, wanted)) return at;
  if (keyOf(wanted) === "" && wanted.nodeType !== Node.ELEMENT_NODE) return null;
  for (const each of left) if (alike(each, wanted)) return each;
  return null;
}

// What somebody has unfolded stays so.
const isOpened = (found, name) => found.localName === "details" && name === "open";

function update(found, wanted) {
  if (found.nodeType !== Node.ELEMENT_NODE) {
    if (found.data !== wanted.data) found.data = wanted.data;
    return;
  }
  for (const { name } of [...found.attributes]) {
    if (!wanted.hasAttribute(name) && !isOpened(found, name)) found.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (found.getAttribute(name) !== value) found.setAttribute(name, value);
  }
  morph(found, wanted);
  if (found.localName === "input" || found.localName === "textarea") {
    if (found.value !== wanted.value) found.value = wanted.value;
    if (found.checked !== wanted.checked) found.checked = wanted.checked;
  } else if (found.localName === "select") found.value = wanted.value;
}
