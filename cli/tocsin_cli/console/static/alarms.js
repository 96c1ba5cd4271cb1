// The stack's alarms: a band with those that ring on every view, and all of them on their own.
import { get } from "/static/api.js";
import { element, problem, say, when } from "/static/dom.js";

const WORDS = { ALARM: "In alarm", OK: "OK", INSUFFICIENT_DATA: "No data yet" };
let before = null;
let isAlone = false;

// On their own page they are not said twice.
export function arrange(alone) {
  isAlone = alone;
  const place = document.getElementById("band");
  place.hidden = isAlone || place.childElementCount === 0;
}

export async function show() {
  const said = await get("/api/alarms");
  const all = document.getElementById("alarms");
  const ringing = (said.alarms ?? []).filter((alarm) => alarm.state === "ALARM");
  band(ringing);
  if (said.problem) all.replaceChildren(problem(said.problem));
  else all.replaceChildren(element("p", { className: "quiet", textContent: summary(said.alarms, ringing) }), list(said.alarms));
  const names = ringing.map((alarm) => alarm.name).join(", ");
  if (before !== null && names !== before) say(names ? `In alarm: ${names}` : "No alarm rings any more.");
  before = names;
}

function summary(alarms, ringing) {
  if (alarms.length === 0) return "The stack has no alarms.";
  const unknown = alarms.filter((alarm) => alarm.state === "INSUFFICIENT_DATA").length;
  const tail = unknown ? ` ${unknown} had no data yet.` : "";
  return ringing.length ? `${ringing.length} of ${alarms.length} ring.${tail}` : `None of ${alarms.length} rings.${tail}`;
}

function band(ringing) {
  const count = document.getElementById("ringing");
  count.hidden = ringing.length === 0;
  count.textContent = ringing.length;
  count.title = `${ringing.length} in alarm`;
  const place = document.getElementById("band");
  place.replaceChildren(...ringing.map((alarm) =>
    element("p", {}, element("b", { textContent: alarm.name }), alarm.description)));
  arrange(isAlone);
}

const list = (alarms) => element("ul", {}, ...alarms.map((alarm) =>
  element("li", { className: "card alarm", data: { state: alarm.state } },
    element("p", { className: "state", textContent: WORDS[alarm.state] ?? alarm.state }),
    element("h2", { textContent: alarm.name }),
    element("p", { className: "more", textContent: alarm.description }),
    ...(alarm.state === "ALARM" ? [element("p", { className: "more reason", textContent: alarm.reason })] : []),
    ...(alarm.since ? [element("p", { className: "more reason", textContent: `since ${when(alarm.since)}` })] : []))));
