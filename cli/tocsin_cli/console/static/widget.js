// A custom widget as CloudWatch shows one: the function's HTML, and what <cwdb-action> makes of its elements.
// CloudWatch user guide, "Interactivity in a custom widget": an action belongs to the element immediately before it.
import { post, Refused } from "/static/api.js";
import { clean } from "/static/clean.js";
import { element, problem, say } from "/static/dom.js";
import { morph } from "/static/morph.js";

const EVENTS = ["click", "dblclick", "mouseenter"];
const NATIVE = "a[href], button, input, select, textarea, summary, [tabindex]";
const RESTING = 5_000; // ms without a move of the pointer, after which it no longer keeps rows from shifting
const FOLLOWING = 2_000; // ms between two looks at something that is in progress

const dialog = (id) => document.getElementById(id);
const base = new CSSStyleSheet();
const loaded = fetch("/static/widget.css").then((answer) => answer.text()).then((css) => base.replace(css));
let moved = 0;
addEventListener("pointermove", () => { moved = performance.now(); }, { passive: true });

// A piece of a widget's HTML: the widget itself, or its popup.
class Frame {
  constructor(className) {
    this.host = element("div", { className });
    this.root = this.host.attachShadow({ mode: "open" });
    this.sheet = new CSSStyleSheet();
    this.root.adoptedStyleSheets = [base, this.sheet];
    this.content = element("div", { className: "cwdb", tabIndex: -1 });
    this.root.append(this.content);
    this.content.addEventListener("submit", (event) => event.preventDefault());
    for (const name of EVENTS) this.content.addEventListener(name, (event) => this.happened(event), true);
    this.content.addEventListener("keydown", (event) => pressed(event));
  }

  show(html) {
    const { nodes, css } = clean(html);
    for (const action of nodes.querySelectorAll("cwdb-action")) reachable(action);
    const had = this.root.activeElement;
    this.sheet.replaceSync(css);
    morph(this.content, nodes);
    if (had !== null && !had.isConnected) this.content.focus({ preventScroll: true });
  }

  happened(event) {
    const path = event.composedPath();
    const inside = path.slice(0, path.indexOf(this.content));
    const candidates = event.type === "mouseenter" ? inside.slice(0, 1) : inside;
    for (const each of candidates) {
      const action = each.nextElementSibling;
      if (action?.localName !== "cwdb-action" || (action.getAttribute("event") || "click") !== event.type) continue;
      if (each.disabled) return;
      event.preventDefault();
      event.stopPropagation();
      this.onAction(action, each);
      return;
    }
  }

  forms() {
    const found = {};
    for (const each of this.content.querySelectorAll("input[name], select[name], textarea[name]")) {
      if (each.closest("cwdb-action") !== null) continue;
      const value = valueOf(each);
      if (value !== undefined) found[each.name] = value;
    }
    return found;
  }

  // Whether a fresh answer would take something from whoever is at it.
  isInUse() {
    const active = this.root.activeElement;
    if (active?.matches("input, select, textarea")) return true;
    const fields = [...this.content.querySelectorAll("input[name], select[name], textarea[name]")];
    if (fields.some((each) => each.closest("cwdb-action") === null && differs(each))) return true;
    if (this.isSelected()) return true;
    const isAiming = performance.now() - moved < RESTING;
    return isAiming && this.content.querySelector("button:hover, a:hover, .btn:hover") !== null;
  }

  // In a shadow tree the document's own selection shows no more than its host.
  isSelected() {
    const ranges = getSelection()?.getComposedRanges?.({ shadowRoots: [this.root] });
    if (ranges === undefined) return this.root.getSelection?.().isCollapsed === false;
    return ranges.some((range) => this.content.contains(range.startContainer) && textOf(range).trim() !== "");
  }
}

function textOf({ startContainer, startOffset, endContainer, endOffset }) {
  const range = new Range();
  range.setStart(startContainer, startOffset);
  range.setEnd(endContainer, endOffset);
  return range.toString();
}

function reachable(action) {
  const bound = action.previousElementSibling;
  if (bound === null || bound.matches(NATIVE) || (action.getAttribute("event") || "click") === "mouseenter") return;
  bound.tabIndex = 0;
  if (!bound.hasAttribute("role") && !bound.matches("tr, td, th, li")) bound.setAttribute("role", "button");
}

// What is no button by nature answers to the keys of one.
function pressed(event) {
  const isKey = event.key === "Enter" || event.key === " ";
  if (!isKey || event.target.matches("a[href], button, input, select, textarea, summary")) return;
  const action = event.target.nextElementSibling;
  if (action?.localName !== "cwdb-action") return;
  event.preventDefault();
  event.target.dispatchEvent(new MouseEvent(action.getAttribute("event") || "click", { bubbles: true, composed: true, cancelable: true }));
}

function valueOf(field) {
  if (field.type === "radio") return field.checked ? field.value : undefined;
  if (field.type === "checkbox") return field.checked;
  if (field.multiple && field.selectedOptions) return [...field.selectedOptions].map((one) => one.value);
  return field.value;
}

function differs(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.localName === "select") return field.selectedIndex !== Math.max(0, [...field.options].findLastIndex((one) => one.defaultSelected));
  return field.value !== field.defaultValue;
}

export class Widget {
  // `configured` are its parameters on the dashboard; `changed` is told of each look that an operator chose.
  constructor({ title, configured, name, changed }) {
    Object.assign(this, { configured, name, changed });
    this.look = { params: configured, forms: {} };
    this.frame = new Frame("frame");
    this.frame.onAction = (action) => this.act(action, this.frame);
    this.isHeld = false;
    this.trouble = element("div");
    this.host = element("section", { className: "card widget" });
    if (title) this.host.append(element("h2", { textContent: title }));
    this.host.append(this.trouble, this.frame.host);
    this.number = 0;
    this.isAsking = false;
    this.acting = false; // what the operator chose is under way: nothing else is done meanwhile
    this.underWay = ""; // that action, as it stood in the page
    this.waiting = null; // what was pressed meanwhile: done afterwards, the last of it
  }

  // What an operator asks for in between is not thrown away by an answer that comes late.
  async refresh() {
    if (!this.acting) await this.ask({ ...this.look, endpoint: null });
  }

  mayRefresh(why) {
    if (why === "button") return true;
    const isCovered = dialog("confirm").open || dialog("popup").open;
    const isOver = !this.isHeld || why === "switch";
    return !this.isAsking && isOver && !isCovered && !this.frame.isInUse();
  }

  async act(action, from) {
    if (this.acting) {
      this.wait(action, from);
      return;
    }
    const popup = action.getAttribute("display") === "popup";
    const question = action.getAttribute("confirmation");
    const forms = { ...this.frame.forms(), ...(from === this.frame ? {} : from.forms()) };
    if (question && !(await confirmed(question))) return;
    if (action.getAttribute("action") === "html") {
      if (popup) popupOf(this).show(action.innerHTML);
      else this.shown(action.innerHTML);
      return;
    }
    const text = (action.querySelector("template")?.innerHTML ?? action.textContent).trim();
    let params;
    try {
      params = text === "" ? {} : JSON.parse(text);
    } catch {
      this.troubled({ title: "This can't be done", detail: "The widget's action is no JSON." });
      return;
    }
    this.underWay = action.outerHTML;
    await this.ask({ params, forms, endpoint: action.getAttribute("endpoint"), popup, chosen: true });
  }

  // The same pressed twice is meant once; anything else is done when the answer is there.
  wait(action, from) {
    const was = action.outerHTML;
    if (was === this.underWay || action.getAttribute("event") === "mouseenter") return;
    this.waiting = { was, from };
    say("This is done next.");
  }

  // What was pressed is done only if it still stands there as it did: rows may have moved under the pointer.
  next() {
    if (this.waiting === null) return;
    const { was, from } = this.waiting;
    this.waiting = null;
    const isSeen = from === this.frame || dialog("popup").open;
    const all = isSeen ? [...from.content.querySelectorAll("cwdb-action")] : [];
    const action = all.find((each) => each.outerHTML === was && !each.previousElementSibling?.disabled);
    if (action !== undefined) this.act(action, from);
    else this.troubled({ title: "Not done", detail: "The page changed after you pressed. Press again if you still want it." });
  }

  async ask({ params, forms, endpoint, popup = false, chosen = false }) {
    const number = ++this.number;
    this.busy(true, chosen);
    try {
      await loaded;
      const body = { endpoint, params, forms, configured: this.configured, widget: this.name, ...context(this.frame.host) };
      const said = await post("/api/invoke", body);
      if (number === this.number) this.answered(said, { params, forms, popup, chosen });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 0 || error.status === 401) dispatchEvent(new CustomEvent("tocsin-lost", { detail: error }));
      else this.troubled({ title: error.title, detail: error.message });
    } finally {
      if (number === this.number) {
        this.busy(false, chosen);
        this.next();
      }
    }
  }

  answered(said, { params, forms, popup, chosen }) {
    if (said.problem) {
      this.troubled(said.problem);
      return;
    }
    this.troubled(null);
    const html = said.html ?? `<pre>${escaped(said.text)}</pre>`;
    if (popup) {
      popupOf(this).show(html);
      return;
    }
    if (dialog("popup").open && chosen) dialog("popup").close();
    this.shown(html);
    if (!chosen) return;
    const again = this.again();
    this.isHeld = Boolean(said.acts) && again === null;
    if (again !== null) this.look = { params: again, forms: {} };
    else if (!said.acts) this.look = { params, forms };
    if (!this.isHeld) this.changed?.(this.look);
    say(result(this.frame.content) || "Updated.");
    dispatchEvent(new Event("tocsin-chosen"));
  }

  shown(html) {
    this.frame.show(html);
    clearTimeout(this.following);
    if (this.frame.content.querySelector("[data-follow]") !== null) {
      this.following = setTimeout(() => this.follow(), FOLLOWING);
    }
  }

  // How the page that is shown is had again: the look of the element that says so. What acting has led to may say none,
  // as a question does: then it stays until the operator goes on.
  again() {
    const action = this.frame.content.querySelector("[data-again] + cwdb-action");
    try {
      return action === null ? null : JSON.parse(action.textContent);
    } catch {
      return null;
    }
  }

  follow() {
    if (document.visibilityState === "visible" && this.host.isConnected && this.mayRefresh("clock")) this.refresh();
    else this.following = setTimeout(() => this.follow(), FOLLOWING);
  }

  troubled(found) {
    this.trouble.replaceChildren(...(found === null ? [] : [problem(found)]));
    if (found !== null) say(`${found.title}. ${found.detail}`);
  }

  busy(is, chosen) {
    this.isAsking = is;
    this.acting = is && chosen;
    this.frame.content.setAttribute("aria-busy", String(is && chosen));
    dispatchEvent(new CustomEvent("tocsin-busy", { detail: { widget: this, is } }));
  }
}

const escaped = (text) => text.replace(/[&<>]/g, (found) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[found]);

const result = (content) =>
  [...content.querySelectorAll("[role=status], [role=alert]")].map((each) => each.textContent.trim()).join(" ").slice(0, 300);

export const theme = () => {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
};

function context(host) {
  const minutes = new Date().getTimezoneOffset();
  const sign = minutes > 0 ? "-" : "+";
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  const iso = `${sign}${String(hours).padStart(2, "0")}:${String(rest).padStart(2, "0")}`;
  return {
    theme: theme(),
    locale: navigator.language,
    timezone: { label: "Local", offsetISO: iso, offsetInMinutes: minutes },
    width: Math.round(host.clientWidth),
    height: Math.round(innerHeight),
  };
}

function confirmed(question) {
  const asked = dialog("confirm");
  dialog("confirm-text").textContent = question;
  asked.returnValue = "no";
  asked.showModal();
  asked.querySelector("[value=yes]").focus();
  return new Promise((resolve) => {
    asked.addEventListener("close", () => resolve(asked.returnValue === "yes"), { once: true });
  });
}

const popup = new Frame("frame");
dialog("popup-body").append(popup.host);
dialog("popup-close").addEventListener("click", () => dialog("popup").close());

function popupOf(widget) {
  popup.onAction = (action) => widget.act(action, popup);
  return {
    show(html) {
      popup.content.replaceChildren();
      popup.show(html);
      if (!dialog("popup").open) dialog("popup").showModal();
    },
  };
}
