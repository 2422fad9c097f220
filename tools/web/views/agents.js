// Who reports from other networks, and whether they still do.
import {get} from "../api.js";
import {element, table} from "../dom.js";
import {moment, number, status} from "../format.js";

export function agents() {
  const rows = table([
    {head: "State", cell: (agent) => [status(agent.silent ? "critical" : "ok"), agent.silent && element("span", {class: "sub"}, "silent")]},
    {head: "Name", class: "main", cell: (agent) => [agent.name, element("span", {class: "sub"}, agent.address)]},
    {head: "Version", cell: (agent) => agent.version || "–"},
    {head: "Targets", class: "number", cell: (agent) => number(agent.targets)},
    {head: "Last report", cell: (agent) => moment(agent.last_seen)},
    {head: "First report", cell: (agent) => moment(agent.first_seen)},
  ], "No agent reports here. Start trawl monitor --report-to on another network.",
  {key: (agent) => agent.name, state: (agent) => agent.silent});
  return {
    nodes: [element("h1", {}, "Agents"), rows.node],
    load: async () => rows.show((await get("/api/agents")).agents),
    hears: (event) => event.kind === "agent" || event.kind === "alert",
  };
}
