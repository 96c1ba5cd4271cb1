// Everything that the page asks of the console's server. The session's token is kept by origin, port included.
const KEPT = "tocsin-session";
const ASKED = "X-Tocsin-Token";

export class Refused extends Error {
  constructor(status, title, detail) {
    super(detail);
    Object.assign(this, { status, title });
  }
}

// Exchange the link's token, once, and take it out of the address.
export async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  const { token: kept } = await post("/api/session", { token });
  localStorage.setItem(KEPT, kept);
}

export const get = (path) => asked(path, { method: "GET" });

export const post = (path, body) =>
  asked(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

async function asked(path, options) {
  const headers = { ...options.headers, [ASKED]: localStorage.getItem(KEPT) ?? "" };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, credentials: "same-origin", redirect: "error" });
  } catch {
    throw new Refused(0, "The console has ended", "Start it again with tocsin console, and open the link that it shows.");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.title ?? "Refused", said.detail ?? `HTTP ${answer.status}`);
  return said;
}
