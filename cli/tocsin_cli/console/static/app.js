// The page: which view is shown, when it is asked anew, and what of it stands in the address.
import * as alarms from "/static/alarms.js";
import { enter, get, Refused } from "/static/api.js";
import { element, problem } from "/static/dom.js";
import * as graphs from "/static/graphs.js";
import { Widget } from "/static/widget.js";

const EVERY = 30_000; // ms between two looks, as long as the page is seen
const VIEWS = { notifications: "Notifications", graphs: "Graphs", alarms: "Alarms" };
const SPANS = { 1: "1 h", 3: "3 h", 12: "12 h", 24: "1 day", 168: "1 week" };
const PARAM = "w."; // of the widget; a dot for each level
const FORM = "f.";
const by = (id) => document.getElementById(id);

let widgets = [];
let main = null;
let stack = "";
let timer = 0;
const busy = new Set();

// ── The address: the view, the span, and what the widget was asked last ─────────────────────────────────────────────

const address = () => new URLSearchParams(location.search);

const view = () => (Object.hasOwn(VIEWS, address().get("page")) ? address().get("page") : "notifications");

const hours = () => (Object.hasOwn(SPANS, address().get("span")) ? Number(address().get("span")) : 3);

function lookOf(configured) {
  const look = { params: {}, forms: {} };
  for (const [name, value] of address()) {
    if (name.startsWith(PARAM)) nest(look.params, name.slice(PARAM.length).split("."), parsed(value));
    else if (name.startsWith(FORM)) look.forms[name.slice(FORM.length)] = parsed(value);
  }
  return Object.keys(look.params).length ? look : { params: configured, forms: look.forms };
}

// Texts stand as they are, unless they could be taken for JSON; everything else is JSON.
const written = (value) => (typeof value === "string" && parsed(value) === value ? value : JSON.stringify(value));

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function* flat(value, before = "") {
  for (const [name, inner] of Object.entries(value)) {
    const isObject = typeof inner === "object" && inner !== null && !Array.isArray(inner) && !name.includes(".");
    if (isObject) yield* flat(inner, `${before}${name}.`);
    else yield [before + name, inner];
  }
}

function nest(into, [name, ...rest], value) {
  if (["__proto__", "constructor", "prototype"].includes(name)) return;
  if (rest.length === 0) into[name] = value;
  else nest(into[name] !== null && typeof into[name] === "object" ? into[name] : (into[name] = {}), rest, value);
}

function remember(look) {
  const fresh = new URLSearchParams();
  for (const name of ["page", "span"]) if (address().has(name)) fresh.set(name, address().get(name));
  for (const [name, value] of flat(look.params)) fresh.set(PARAM + name, written(value));
  for (const [name, value] of Object.entries(look.forms)) if (value !== "" && value !== false) fresh.set(FORM + name, written(value));
  go(`?${fresh}`);
  arrange();
}

function go(search) {
  if (search !== location.search) history.pushState(null, "", search || "?");
}

// ── What is shown ───────────────────────────────────────────────────────────────────────────────────────────────────

function arrange() {
  for (const section of document.querySelectorAll("[data-shown]")) section.hidden = section.dataset.shown !== view();
  for (const link of document.querySelectorAll("[data-view]")) {
    const search = address();
    search.set("page", link.dataset.view);
    link.href = `?${search}`;
    if (link.dataset.view === view()) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  by("spans").replaceChildren(...Object.entries(SPANS).map(([span, text]) => {
    const search = address();
    search.set("span", span);
    const link = element("a", { href: `?${search}`, textContent: text });
    if (Number(span) === hours()) link.setAttribute("aria-current", "true");
    return link;
  }));
  alarms.arrange(view() === "alarms");
  document.title = `${VIEWS[view()]} · ${stack || "Tocsin"}`;
}

// By the button everything is; by the clock and on a switch, what nobody is at.
async function fresh(why) {
  clearTimeout(timer);
  timer = setTimeout(again, EVERY);
  const looks = [guarded("alarms", alarms.show)];
  if (view() === "graphs") looks.push(guarded("graphs", () => graphs.show(hours())));
  if (view() === "notifications") looks.push(...widgets.filter((one) => one.mayRefresh(why)).map((one) => one.refresh()));
  await Promise.all(looks);
}

// A page that nobody sees asks for nothing; it asks at once when it is seen again.
function again() {
  if (document.visibilityState === "visible") fresh("clock");
  else timer = setTimeout(again, EVERY);
}

async function guarded(name, look) {
  working(name, true);
  try {
    await look();
    by("problem").replaceChildren();
    by("fresh").textContent = `As of ${new Date().toLocaleTimeString([], { hour12: false })}`;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    lost(error);
  } finally {
    working(name, false);
  }
}

const lost = (error) => by("problem").replaceChildren(problem({ title: error.title, detail: error.message }));

function working(what, is) {
  if (is) busy.add(what);
  else busy.delete(what);
  by("busy").classList.toggle("on", busy.size > 0);
}

async function begin() {
  await enter();
  const state = await get("/api/state");
  ({ stack } = state);
  by("whose").textContent = [state.stack, state.region, state.account].filter(Boolean).join(" · ");
  if (state.problem) by("problem").replaceChildren(problem(state.problem));
  const tallest = Math.max(...state.widgets.map((one) => one.height));
  widgets = state.widgets.map((one, index) => {
    const isMain = main === null && one.height === tallest;
    const widget = new Widget({
      title: one.title, configured: one.params, name: `widget-${index}`, changed: isMain ? remember : undefined,
    });
    if (isMain) main = widget;
    return widget;
  });
  main.look = lookOf(main.configured);
  by("widgets").replaceChildren(...widgets.map((one) => one.host));
  arrange();
  await fresh("button");
}

// ── What the operator does ──────────────────────────────────────────────────────────────────────────────────────────

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-view], #spans a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const isSpan = link.closest("#spans") !== null;
  go(link.getAttribute("href"));
  arrange();
  if (isSpan) by("spans").querySelector("[aria-current]").focus();
  fresh("switch");
});

addEventListener("popstate", () => {
  if (main === null) return;
  main.look = lookOf(main.configured);
  for (const id of ["confirm", "popup"]) by(id).close();
  arrange();
  fresh("button");
});

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && main !== null) fresh("clock");
});

by("refresh").addEventListener("click", () => (main === null ? location.reload() : fresh("button")));
// What an operator has just brought about is read for as long as anything else.
addEventListener("tocsin-chosen", () => {
  clearTimeout(timer);
  timer = setTimeout(again, EVERY);
});
addEventListener("tocsin-busy", (event) => working(event.detail.widget, event.detail.is));
addEventListener("tocsin-lost", (event) => lost(event.detail));

by("theme").value = document.documentElement.dataset.theme;
by("theme").addEventListener("change", (event) => {
  document.documentElement.dataset.theme = event.target.value;
  localStorage.setItem("tocsin-theme", event.target.value);
  recoloured();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recoloured);

function recoloured() {
  graphs.redraw();
  for (const one of widgets) if (one.mayRefresh("clock")) one.refresh();
}

begin().catch((error) => {
  if (!(error instanceof Refused)) throw error;
  arrange();
  lost(error);
});
