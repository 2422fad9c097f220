// The inventory: every certificate that was ever seen, and where.
import {get} from "../api.js";
import {element, field, list, part, table} from "../dom.js";
import {common, date, days, endpoint, key, moment, mono, status} from "../format.js";
import {askedOf, listing} from "../listing.js";

const certificateLink = (hex, text) => element("a", {href: `#/certificate/${encodeURIComponent(hex)}`}, text);

const columns = [
  {head: "Subject", class: "main", cell: (row) => {
    const others = row.names.filter((name) => name !== common(row.subject));
    return [certificateLink(row.fingerprint, common(row.subject)),
      others.length > 0 && element("span", {class: "sub"}, others.slice(0, 4).join(", "), others.length > 4 && ` and ${others.length - 4} more`)];
  }},
  {head: "Issuer", cell: (row) => [common(row.issuer), row.self_signed && element("span", {class: "sub"}, "self-signed")]},
  {head: "Days left", class: "number", cell: (row) => [
    element("span", {class: row.days_left < 0 ? "problem" : null}, days(row.days_left)), element("span", {class: "sub"}, date(row.not_after))]},
  {head: "Key", cell: (row) => key(row.key_type, row.key_bits)},
  {head: "Endpoints", class: "number", cell: (row) => String(row.endpoints)},
  {head: "Last seen", cell: (row) => moment(row.last_seen)},
];

export function certificates({search, memory}) {
  const asked = askedOf(search, ["q", "issuer", "status", "expiring_within", "all"]);
  const rows = table(columns, "No certificate is like that.", {key: (row) => row.fingerprint});
  const inventory = listing({name: "certificates", path: "/api/certificates", member: "certificates", table: rows, asked, memory});
  return {
    nodes: [
      element("h1", {}, "Certificates"),
      inventory.form([
        field("Name or serial", {name: "q", type: "search", value: asked.q}),
        field("Issuer", {name: "issuer", type: "search", value: asked.issuer}),
        field("Status", {name: "status", value: asked.status}, [["", "all"], ["valid", "valid"], ["expired", "expired"]]),
        field("Expires within days", {name: "expiring_within", type: "number", min: 0, max: 3650, value: asked.expiring_within}),
        field("Which", {name: "all", value: asked.all}, [["", "of servers and logs"], ["1", "also of chains"]])]),
      ...inventory.nodes,
    ],
    load: inventory.load,
    hears: (event) => event.kind === "target" || event.kind === "ct",
  };
}

function about(row) {
  return list([
    ["Subject", row.subject], ["Issuer", row.issuer], ["Serial", mono(row.serial)],
    ["Valid", `${date(row.not_before)} to ${date(row.not_after)} (${days(row.days_left)})`],
    ["Names", row.names.join(", ")], ["Key", key(row.key_type, row.key_bits)], ["Signature", row.signature_algorithm],
    ["Kind", [row.is_ca && "of an authority", row.self_signed && "self-signed"].filter(Boolean).join(", ")],
    ["SHA-256", mono(row.fingerprint)], ["SHA-1", mono(row.fingerprint_sha1)],
    ["TBS SHA-256", mono(row.tbs_sha256)], ["Key SHA-256", mono(row.spki_sha256)],
    ["First seen", moment(row.first_seen)], ["Last seen", moment(row.last_seen)],
    ["PEM", row.pem && element("a", {download: `${row.fingerprint}.pem`,
      href: `data:application/x-pem-file,${encodeURIComponent(row.pem)}`}, "download")],
  ]);
}

export function certificate({id}) {
  let row = null;
  const head = part("h1", {}, ([subject]) => common(subject));
  const card = part("section", {class: "card"}, about);
  const chain = part("div", {}, (links) => links.length > 0 && [element("h2", {}, "Sent with it"),
    element("ol", {class: "chain card"}, links.map((link) => element("li", {},
      certificateLink(link.fingerprint, common(link.subject)),
      element("span", {class: "sub"}, `by ${common(link.issuer)}, until ${date(link.not_after)}`))))]);
  const places = table([
    {head: "Status", cell: (seen) => (seen.status ? status(seen.status) : "–")},
    {head: "Endpoint", class: "main", cell: (seen) => [endpoint(seen),
      seen.ip && seen.ip !== seen.host && element("span", {class: "sub"}, seen.ip)]},
    {head: "By", cell: (seen) => seen.agent || "this machine"},
    {head: "First", cell: (seen) => moment(seen.first_seen)}, {head: "Last", cell: (seen) => moment(seen.last_seen)},
  ], "No server has shown it itself.", {key: (seen) => [seen.host, seen.ip, seen.port, seen.protocol, seen.agent].join(" ")});

  return {
    nodes: [head.node, card.node, chain.node, element("h2", {}, "Where it was seen"), places.node],
    title: () => common(row.subject),
    async load() {
      const {endpoints, chain: links, ...rest} = await get(`/api/certificates/${encodeURIComponent(id)}`);
      row = rest;
      head.show([row.subject]);
      card.show(row);
      chain.show(links);
      places.show(endpoints);
    },
    hears: (event) => event.kind === "target",
  };
}
