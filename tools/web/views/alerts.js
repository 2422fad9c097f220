// What is wrong now, what was, and who has seen it.
import {get, may, post, request} from "../api.js";
import {ask, attempt, button, element, field, table, toast} from "../dom.js";
import {endpoint, moment, status, words} from "../format.js";
import {askedOf, listing} from "../listing.js";

const STATES = [["", "open"], ["resolved", "over"], ["all", "all"]];
const SEEN = [["", "all"], ["false", "not seen yet"], ["true", "seen"]];
const EVENTS = ["tls_expiry", "tls_expired", "tls_renewed", "tls_changed", "tls_unreachable", "tls_reachable",
  "tls_trust_broken", "tls_trusted", "tls_name_mismatch", "tls_name_matches", "ct_new_certificate",
  "ct_unknown_certificate", "feed_stale", "feed_fresh", "agent_silent", "agent_back", "workers_silent", "workers_back"];
const HOURS = [["1", "an hour"], ["24", "a day"], ["168", "a week"], ["720", "30 days"], ["", "ever"]];

/** "Acknowledge" or who has; an event tells all pages what came of it. */
function seen(alert) {
  const change = (word) => (event) => attempt(() => post(`/api/alerts/${alert.id}/${word}`), event.target);
  if (!alert.acknowledged_at)
    return button("Acknowledge", change("acknowledge"), {class: "small", disabled: !may("operate"), "aria-label": `Acknowledge: ${alert.title}`});
  return [`by ${alert.acknowledged_by || "somebody"} `, moment(alert.acknowledged_at), " ",
    button("Undo", change("unacknowledge"), {class: "small quiet", disabled: !may("operate"), "aria-label": `Not seen: ${alert.title}`})];
}

export function alertColumns({withTarget}) {
  return [
    {head: "Severity", cell: (alert) => status(alert.severity)},
    {head: "Alert", class: "main", cell: (alert) => [
      withTarget && alert.target ? element("a", {href: `#/target/${encodeURIComponent(alert.target)}`}, alert.title) : alert.title,
      alert.message !== alert.title && element("span", {class: "sub"}, alert.message),
      element("span", {class: "tag"}, words(alert.event)), alert.muted && element("span", {class: "tag"}, "muted"),
      alert.agent && element("span", {class: "tag"}, `by ${alert.agent}`)]},
    {head: "Since", cell: (alert) => moment(alert.opened_at)},
    {head: "Over", cell: (alert) => (alert.resolved_at ? moment(alert.resolved_at) : "")},
    {head: "Seen", cell: seen},
    withTarget && {head: "", cell: (alert) => button("Mute…", () => mute(alert), {class: "small quiet", disabled: !may("operate"),
      "aria-label": `Mute: ${alert.title}`})},
  ].filter(Boolean);
}

/** The dialog that mutes a target, an event or both. */
export function mute({target = "", event = ""} = {}) {
  ask("Mute", [
    element("p", {class: "wide"}, "Alerts are still shown here, but nobody is told."),
    field("Target", {name: "target", value: target, wide: true},
      [...(target ? [[target, "this one"]] : []), ["", "all targets"]]),
    field("Event", {name: "event", value: event}, [["", "all events"], ...EVENTS.map((name) => [name, words(name)])]),
    field("For", {name: "hours", value: "24"}, HOURS),
    field("Why", {name: "reason", maxlength: 200, wide: true, autofocus: true}),
  ], "Mute", async (form) => {
    const until = form.hours ? new Date(Date.now() + Number(form.hours) * 3600000).toISOString() : undefined;
    await post("/api/mutes", {target: form.target, event: form.event, reason: form.reason, until});
    toast("Muted.", "", "#/alerts");
    window.dispatchEvent(new CustomEvent("muted"));
  });
}

export function alerts({search, memory}) {
  const asked = askedOf(search, ["state", "acknowledged", "event", "q"]);
  const rows = table(alertColumns({withTarget: true}), "Nothing is like that.");
  const muted = table([
    {head: "Target", class: "main", cell: (row) => row.target
      ? element("a", {href: `#/target/${encodeURIComponent(row.target)}`}, endpoint(row)) : "all"},
    {head: "Event", cell: (row) => (row.event ? words(row.event) : "all")},
    {head: "Why", cell: (row) => row.reason},
    {head: "By", cell: (row) => row.created_by},
    {head: "Until", cell: (row) => (row.until ? moment(row.until) : "for ever")},
    {head: "", cell: (row) => button("Unmute", (event) => attempt(async () => {
      await request("DELETE", `/api/mutes/${row.id}`);
      await load();
    }, event.target), {class: "small quiet", disabled: !may("operate")})},
  ], "Nothing is muted.");
  const list = listing({name: "alerts", path: "/api/alerts", member: "alerts", table: rows, asked, memory});

  async function load() {
    await Promise.all([list.load(), get("/api/mutes").then((found) => muted.show(found.mutes))]);
  }

  const nodes = [
    element("h1", {}, "Alerts"),
    list.form([
      field("State", {name: "state", value: asked.state}, STATES),
      field("Seen", {name: "acknowledged", value: asked.acknowledged}, SEEN),
      field("Event", {name: "event", value: asked.event}, [["", "all"], ...EVENTS.map((name) => [name, words(name)])]),
      field("Search", {name: "q", type: "search", value: asked.q, placeholder: "in the title"}),
      element("span", {class: "space"}),
      button("Mute…", () => mute(), {disabled: !may("operate")})]),
    ...list.nodes,
    element("h2", {}, "Muted"), muted.node,
  ];
  window.addEventListener("muted", function again() {
    if (nodes[0].isConnected) load();
    else window.removeEventListener("muted", again);
  });
  return {nodes, load, hears: (event) => event.kind === "alert"};
}
