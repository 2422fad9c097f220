// The API and its events. Every answer that is not a success becomes an Error with the server's words.

export const session = {role: "none", name: "", version: ""};

/** `fine` names a status that is an answer too, as 503 is of /api/health. */
export async function request(method, path, body, fine = 0) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : {"Content-Type": "application/json"},
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
  }).catch(() => { throw new Error("The monitor does not answer."); });
  const text = await answer.text();
  const value = text && (answer.headers.get("Content-Type") || "").includes("json") ? JSON.parse(text) : text;
  if (answer.ok || answer.status === fine) return value;
  const error = new Error((value && value.error) || `${answer.status} ${answer.statusText}`);
  error.status = answer.status;
  throw error;
}

export const get = (path) => request("GET", path);
export const post = (path, body = {}) => request("POST", path, body);

/** "?a=1&b=2" of what is set. */
export function query(values) {
  const set = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return set.length ? `?${new URLSearchParams(set)}` : "";
}

export const may = (role) => {
  const order = ["none", "read", "operate", "admin"];
  return order.indexOf(session.role) >= order.indexOf(role);
};

export async function login(token) {
  await post("/api/session", {token});
}

export async function loadSession() {
  Object.assign(session, await get("/api/session"));
}

/** Follows the events and goes on behind the last one after a break, until the function that it
 *  gives is called. `on(event)` hears each; `state(words, good, again)` how the line is, `again`
 *  when it was down before. */
export function follow(on, state) {
  let last = null;
  let wait = 500;
  let opened = 0;
  let socket = null;
  let over = false;
  const open = () => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/api/events${query({since: last})}`);
    socket.onopen = () => { wait = 500; state("live", true, opened++ > 0); };
    socket.onmessage = (message) => {
      const event = JSON.parse(message.data);
      if (typeof event.seq === "number") last = event.seq;
      on(event);
    };
    socket.onclose = () => {
      if (over) return;
      state("offline", false, false);
      setTimeout(() => over || open(), wait);
      wait = Math.min(wait * 2, 15000);
    };
  };
  open();
  return () => {
    over = true;
    socket.close();
  };
}
