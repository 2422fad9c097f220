// Elements from words: text is always text, so that nothing a server said becomes markup.

/** element("td", {class: "number", onclick: f}, "12", element("br")) */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  set(node, attributes);
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function drawing(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  set(node, attributes);
  node.append(...children);
  return node;
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
}

export function button(words, act, attributes = {}) {
  return element("button", {type: "button", class: "quiet", onclick: act, ...attributes}, words);
}

/* --- What changes while somebody reads it --- */

const FOCUSABLE = "a[href], button, input, select, textarea, summary";

/** Changes what is in `node`; what had the focus there has it afterwards, or what stands in its place. */
function keepFocus(node, change) {
  const place = [...node.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  change();
  if (place < 0 || node.contains(document.activeElement)) return;
  const now = node.querySelectorAll(FOCUSABLE);
  if (now.length) now[Math.min(place, now.length - 1)].focus({preventScroll: true});
}

/** A part of a page that is made from a value, and made anew only when that has changed. */
export function part(name, attributes, make) {
  const node = element(name, attributes);
  let shown = null;
  return {node, show(value) {
    const text = JSON.stringify(value);
    if (text === shown) return;
    shown = text;
    keepFocus(node, () => node.replaceChildren(...[make(value)].flat(2).filter(Boolean)));
  }};
}

/** A table of `columns` [{head, class, cell(row)}]; on a phone a card a row. `show(rows)` changes
 *  those rows that are not as they were: each is known by key(row), and lights up when state(row)
 *  is another. */
export function table(columns, empty, {key = (row) => row.id, state = () => ""} = {}) {
  const body = element("tbody");
  const cards = element("table", {class: "cards", hidden: true},
    element("thead", {}, element("tr", {}, columns.map((column) =>
      element("th", {scope: "col", class: column.class}, column.head)))), body);
  const note = element("p", {class: "empty", hidden: true}, empty);
  let shown = null;

  const line = (row, fresh) => element("tr", {class: fresh ? "fresh" : null}, columns.map((column) =>
    element("td", {class: column.class, "data-head": column.head || null}, [column.cell(row)].flat())));

  function fill(rows, quiet) {
    const before = shown || new Map();
    const first = shown === null || quiet;
    shown = new Map();
    let place = body.firstChild;
    for (const row of rows) {
      const name = String(key(row));
      const text = JSON.stringify(row);
      const old = before.get(name);
      let node = old && old.node;
      if (!old || old.text !== text) {
        node = line(row, old ? old.state !== state(row) : !first);
        if (old) {
          if (place === old.node) place = node;
          old.node.replaceWith(node);
        }
      }
      if (node === place) place = place.nextSibling;
      else body.insertBefore(node, place);
      before.delete(name);
      shown.set(name, {node, text, state: state(row)});
    }
    for (const {node} of before.values()) node.remove();
  }

  return {node: element("div", {class: "scroll"}, cards, note), show(rows, quiet = false) {
    keepFocus(body, () => fill(rows, quiet));
    cards.hidden = rows.length === 0;
    note.hidden = rows.length > 0;
  }};
}

export function list(pairs) {
  return element("dl", {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
    .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, [value].flat())]));
}

/* --- Forms --- */

/** A labelled control; `attributes.name` names it in the form. */
export function field(label, attributes = {}, options = null) {
  const {wide, ...rest} = attributes;
  const control = options
    ? element("select", rest, options.map(([value, text]) => element("option", {value, selected: value === attributes.value}, text)))
    : element("input", rest);
  return element("label", {class: wide ? "wide" : null}, label, control);
}

/** A form that says by `on(values)` what it holds, a moment after the last key. */
export function filters(controls, on) {
  let timer = 0;
  const form = element("form", {class: "bar", role: "search",
    onsubmit: (event) => { event.preventDefault(); tell(); },
    oninput: () => { clearTimeout(timer); timer = setTimeout(tell, 250); }}, controls);
  function tell() {
    clearTimeout(timer);
    on(Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()])));
  }
  return form;
}

export function toast(words, kind = "", href = null) {
  const note = element(href ? "a" : "div", {class: `toast ${kind}`, href}, words);
  const toasts = document.getElementById("toasts");
  toasts.append(note);
  while (toasts.children.length > 5) toasts.firstChild.remove();
  setTimeout(() => note.remove(), 8000);
}

/** Does what a button stands for; what goes wrong is told. */
export async function attempt(act, control = null) {
  if (control) control.disabled = true;
  try {
    return await act();
  } catch (error) {
    toast(error.message, "error");
    return null;
  } finally {
    if (control) control.disabled = false;
  }
}

/** Shows a form in the dialog; `submit` gets the form's values and may throw what is then shown.
 *  Without a button it only tells. */
export function ask(title, fields, words, submit) {
  const dialog = document.getElementById("dialog");
  const problem = element("p", {class: "problem wide", role: "alert"});
  const form = element("form", {class: "fields", method: "dialog"},
    element("h2", {class: "wide", id: "dialog-title"}, title), fields, problem,
    element("div", {class: "actions wide"},
      button(words ? "Cancel" : "Close", () => dialog.close(), {autofocus: !words}),
      words && element("button", {type: "submit"}, words)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    const sending = event.submitter;
    if (sending) sending.disabled = true;
    try {
      await submit(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
    } finally {
      if (sending) sending.disabled = false;
    }
  });
  dialog.replaceChildren(form);
  dialog.showModal();
}
