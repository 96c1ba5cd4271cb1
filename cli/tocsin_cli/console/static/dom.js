// Elements without markup: what comes from outside is text.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else if (key === "data") Object.assign(made.dataset, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

export const problem = (found) =>
  element("div", { className: "problem", role: "group" }, element("h2", {}, found.title), element("p", {}, found.detail));

// Say it to those who hear the page. The same words twice are said twice.
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = "";
  requestAnimationFrame(() => { said.textContent = text; });
}

export const when = (iso) =>
  new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "short", hour12: false });
