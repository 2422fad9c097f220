// A list that is read by page, filtered, and shown in a table.
import {get, query} from "./api.js";
import {attempt, button, element, filters} from "./dom.js";
import {number} from "./format.js";

const PAGE = 200; // rows that are read at first, and by More
const MOST = 1000; // that the API gives at once

/** `asked` is what the filters ask for; it stands in the address too, so that a link leads here
 *  again. `on(answer)` gets the first page's answer, and gives how many there are if that is said. */
export function listing({name, path, member, table, asked, memory, on = () => null}) {
  const more = button("More", () => attempt(async () => {
    memory.count = rows.length + PAGE;
    const answer = await get(`${path}${query({...asked, limit: PAGE, cursor: next})}`);
    take(rows.concat(answer[member]), answer.next, true);
  }, more), {class: "quiet more", hidden: true});
  const count = element("p", {class: "sub", role: "status"});
  let rows = [];
  let next = null;
  let total = null;
  let turn = 0;

  function take(found, cursor, quiet) {
    rows = found;
    next = cursor;
    table.show(rows, quiet);
    more.hidden = next === null;
    count.textContent = next === null ? `${number(rows.length)} shown`
      : `${number(rows.length)} shown${total === null ? ", there are more" : ` of ${number(total)}`}`;
  }

  async function load(quiet = false) {
    const mine = ++turn;
    const wanted = Math.max(PAGE, memory.count || 0);
    const found = [];
    let first = null;
    let cursor = null;
    do {
      const answer = await get(`${path}${query({...asked, limit: Math.min(MOST, wanted - found.length), cursor})}`);
      if (mine !== turn) return;
      first ||= answer;
      found.push(...answer[member]);
      cursor = answer.next;
    } while (cursor !== null && found.length < wanted);
    total = on(first);
    take(found, cursor, quiet);
  }

  /** Asks for something else, on the same page. */
  function change(values) {
    Object.assign(asked, values);
    memory.count = 0;
    history.replaceState(history.state, "", `#/${name}${query(asked)}`);
    return attempt(() => load(true));
  }

  return {load: () => load(), change, nodes: [count, table.node, more],
    form: (controls) => filters(controls, change)};
}

/** {status: "", q: "x"} of the address. */
export function askedOf(search, names) {
  return Object.fromEntries(names.map((name) => [name, search.get(name) || ""]));
}
