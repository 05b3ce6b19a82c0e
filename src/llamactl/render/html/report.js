// The page of one report. Whatever comes from the database reaches it as text, by textContent, and is made visible
// (control characters, overrides of direction) before it is written into the file.
"use strict";
(() => {
  // --- the data -------------------------------------------------------------------------------------------

  const at = (id) => document.getElementById(id);
  const read = (element) => JSON.parse(element.textContent);
  const head = read(at("head"));
  const tail = read(at("tail"));
  const nodes = [...document.querySelectorAll("script.nodes")].flatMap(read);
  const details = [...document.querySelectorAll("script.rows")];
  const count = nodes.length;

  // A node is an array: lines.py writes it.
  const [DEPTH, KIND, ID, LABEL, ROWS, STATUSES, CATEGORIES, ENTITY, DURATION, BEGAN, ENDED, ERROR, MARKS, WHEN] =
    Array(14).keys();
  const OMISSION = 1;

  const parent = new Int32Array(count);
  const end = new Int32Array(count).fill(count); // the node after all that is below
  const place = new Int32Array(count); // among its siblings, from 1
  const children = new Int32Array(count + 1); // the last entry: of the top
  const firstRow = new Int32Array(count);
  const failed = new Uint8Array(count);
  const jobsBelow = new Int32Array(count);
  const failedBelow = new Int32Array(count);
  let asked = 0;
  let items = 0; // jobs, or the rows of a timeline: not what was left out
  const used = new Set(); // signs and marks

  // A sign and a word.
  const status = (name) =>
    Object.hasOwn(head.statuses, name ?? "") ? head.statuses[name] : [head.noStatus[0], name ?? head.noStatus[1]];

  const above = [];
  let rowCount = 0;
  for (let i = 0; i < count; i++) {
    const node = nodes[i];
    while (above.length > node[DEPTH]) end[above.pop()] = i;
    parent[i] = above.length ? above[above.length - 1] : -1;
    above.push(i);
    place[i] = ++children[parent[i] < 0 ? count : parent[i]];
    firstRow[i] = rowCount;
    if (node[KIND] === OMISSION) continue;
    items++;
    rowCount += node[ROWS];
    failed[i] = node[STATUSES][0] === "FAILED" ? 1 : 0;
    used.add((node[ROWS] ? status(node[STATUSES][0]) : head.noRows)[0]);
    for (const [kind] of node[MARKS]) used.add(kind);
    if (node[MARKS].some(([kind]) => kind === "asked")) asked = i;
  }
  for (let i = count - 1; i >= 0; i--) {
    if (parent[i] < 0) continue;
    jobsBelow[parent[i]] += jobsBelow[i] + (nodes[i][KIND] === OMISSION ? 0 : 1);
    failedBelow[parent[i]] += failedBelow[i] + failed[i];
  }

  // --- elements -------------------------------------------------------------------------------------------

  const make = (tag, classes, ...inside) => {
    const element = document.createElement(tag);
    if (classes) element.className = classes;
    element.append(...inside);
    return element;
  };
  const number = (value) => value.toLocaleString("en");

  // The text, with what is searched for marked.
  const marked = (text) => {
    if (!query) return [text];
    const parts = [];
    const lower = text.toLowerCase();
    // Lower case can be longer than the text itself: then nothing is marked.
    let from = 0;
    for (let to; lower.length === text.length && (to = lower.indexOf(query, from)) >= 0; from = to + query.length) {
      parts.push(text.slice(from, to), make("mark", "", text.slice(to, to + query.length)));
    }
    return [...parts, text.slice(from)];
  };

  // --- what is shown: open nodes, filters, search ---------------------------------------------------------------

  const OPEN_UP_TO = 300; // lines: a larger tree is closed at first
  const open = new Uint8Array(count); // of the whole tree
  let openFound = open; // while something is filtered
  let keep = null; // while something is filtered: 2 for what matches, 1 for what leads there
  let matches = 0;
  let query = "";
  const wanted = { statuses: new Set(), categories: new Set() };
  const shown = new Int32Array(count);
  let shownCount = 0;
  let active = 0;

  const opened = () => (keep ? openFound : open);
  const hasChildren = (i) => end[i] > i + 1;

  const matching = (i) => {
    const node = nodes[i];
    if (node[KIND] === OMISSION) return false;
    if (wanted.statuses.size && !node[STATUSES].some((word) => wanted.statuses.has(word))) return false;
    if (wanted.categories.size && !node[CATEGORIES].some((word) => wanted.categories.has(word))) return false;
    return (
      !query ||
      [node[LABEL], node[ID], node[ENTITY], node[ERROR], ...node[CATEGORIES]].some((text) =>
        text?.toLowerCase().includes(query),
      ) ||
      node[MARKS].some(([, text]) => text.toLowerCase().includes(query))
    );
  };

  const filter = () => {
    const filtered = query || wanted.statuses.size || wanted.categories.size;
    keep = filtered ? new Uint8Array(count) : null;
    openFound = filtered ? new Uint8Array(count).fill(1) : open;
    matches = 0;
    for (let i = 0; filtered && i < count; i++) {
      if (!matching(i)) continue;
      matches++;
      keep[i] = 2;
      for (let up = parent[i]; up >= 0 && !keep[up]; up = parent[up]) keep[up] = 1;
    }
    // What is not in the file is said, whatever is filtered.
    for (let i = 0; filtered && i < count; i++) {
      if (nodes[i][KIND] === OMISSION && (parent[i] < 0 || keep[parent[i]])) keep[i] = 1;
    }
    at("found").textContent = filtered ? `${number(matches)} of ${number(items)} ${head.counted} match; Esc shows all` : "";
    list();
    if (filtered && keep[active] !== 2) activate(next(active, (i) => keep[i] === 2) ?? active);
  };

  const list = () => {
    const isOpen = opened();
    shownCount = 0;
    for (let i = 0; i < count; ) {
      if (keep && !keep[i]) {
        i = end[i];
        continue;
      }
      shown[shownCount++] = i;
      i = isOpen[i] ? i + 1 : end[i];
    }
    version++;
    draw();
  };

  // Where a node stands among what is shown; of one that is hidden, what is above it.
  const position = (i) => {
    let low = 0;
    let high = shownCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (shown[middle] <= i) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  const next = (from, test, step = 1) => {
    for (let n = 1, i = from; n <= count; n++) {
      i = (i + step + count) % count;
      if (test(i)) return i;
    }
    return undefined;
  };

  // --- drawing: only what the window shows is in the page -----------------------------------------------------

  const scroller = at("scroller");
  const lines = at("lines");
  const page = at("window");
  const TALLEST = 10_000_000; // pixels; browsers cannot lay out an element of any height
  const drawn = new Map();
  let version = 0; // of what lines look like
  let drawnVersion = -1;
  let rowHeight = 27;
  let levels = 12; // that are indented
  let waiting = false;

  const measures = () => {
    const headHeight = at("columns").offsetHeight;
    const view = Math.max(scroller.clientHeight - headHeight, rowHeight);
    const total = shownCount * rowHeight;
    const tall = Math.min(total, TALLEST);
    return { view, total, tall, ratio: tall > view ? (total - view) / (tall - view) : 1 };
  };

  const draw = () => {
    const { view, tall, ratio } = measures();
    lines.style.height = `${tall}px`;
    const top = scroller.scrollTop * ratio;
    const first = Math.max(0, Math.floor(top / rowHeight) - 4);
    const last = Math.min(shownCount, Math.ceil((top + view) / rowHeight) + 4);
    if (version !== drawnVersion) drawn.clear();
    drawnVersion = version;
    const inside = [];
    for (let n = first; n < last; n++) {
      const i = shown[n];
      if (!drawn.has(i)) drawn.set(i, line(i));
      inside.push(drawn.get(i));
    }
    if (drawn.size > 400) {
      drawn.clear();
      inside.forEach((element, n) => drawn.set(shown[first + n], element));
    }
    if (!inside.length) inside.push(make("p", "nothing", keep ? "Nothing matches." : "No rows."));
    if (inside.length !== page.childElementCount || inside.some((element, n) => element !== page.children[n])) {
      page.replaceChildren(...inside);
    }
    page.style.transform = `translateY(${Math.round(scroller.scrollTop + first * rowHeight - top)}px)`;
    select();
  };

  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };

  const select = () => {
    for (const element of page.querySelectorAll('[aria-selected="true"]')) element.ariaSelected = "false";
    const element = at(`n${active}`);
    if (element) element.ariaSelected = "true";
    if (element) lines.setAttribute("aria-activedescendant", element.id);
    else lines.removeAttribute("aria-activedescendant");
  };

  const show = (i, middle = false) => {
    const { view, tall, ratio } = measures();
    const top = scroller.scrollTop * ratio;
    const y = position(i) * rowHeight;
    let wish = top;
    if (y < top || y + rowHeight > top + view) {
      wish = middle ? y - view / 2 : y < top ? y : y + rowHeight - view;
    }
    if (wish !== top) scroller.scrollTop = Math.min(Math.max(0, wish / ratio), tall);
  };

  const activate = (i, middle = false) => {
    active = i;
    show(i, middle);
    draw();
    if (!at("details").hidden) tell();
  };

  // Shows a node wherever it is: opens what is above it, and gives up filters that hide it.
  const reveal = (i) => {
    if (keep && !keep[i]) clear();
    const isOpen = opened();
    for (let up = parent[i]; up >= 0; up = parent[up]) isOpen[up] = 1;
    list();
    activate(i, true);
  };

  const line = (i) => {
    const node = nodes[i];
    const element = make("div", "line");
    element.id = `n${i}`;
    element.role = head.role;
    element.ariaSelected = "false";
    element.ariaSetSize = children[parent[i] < 0 ? count : parent[i]];
    element.ariaPosInSet = place[i];
    if (head.role === "treeitem") element.ariaLevel = node[DEPTH] + 1;
    if (hasChildren(i)) element.ariaExpanded = opened()[i] ? "true" : "false";
    const tree = make("span", "tree");
    const indent = make("span", "indent");
    indent.style.width = `calc(var(--step) * ${Math.min(node[DEPTH], levels)})`;
    tree.append(indent);
    if (node[DEPTH] > levels) tree.append(make("span", "deeper", `${head.deeper}${number(node[DEPTH])}`));
    if (head.role === "treeitem") tree.append(make("span", "twisty"));
    element.append(tree);
    if (node[KIND] === OMISSION) {
      element.classList.add("left-out");
      tree.append(make("span", "label", node[LABEL]));
      return element;
    }
    const [sign, word] = node[ROWS] ? status(node[STATUSES][0]) : head.noRows;
    const colour = `s-${(node[STATUSES][0] ?? "").replace(/\W/g, "")}`;
    element.classList.toggle("bad", Boolean(failed[i]));
    element.classList.toggle("kept", keep?.[i] === 1);
    tree.append(make("span", `sign ${colour}`, sign), make("span", "label", ...marked(node[LABEL])));
    if (node[ROWS] > 1) tree.append(make("span", "times", `x${number(node[ROWS])}`));
    for (const [kind, text] of node[MARKS]) {
      tree.append(make("span", `badge ${kind}`, ...marked(text)));
      element.classList.add(kind === "asked" ? "asked" : kind === "origin_unknown" ? "unrooted" : "marked");
    }
    if (hasChildren(i) && !opened()[i]) {
      const bad = failedBelow[i] ? `, ${number(failedBelow[i])} failed` : "";
      tree.append(make("span", `below ${bad ? "s-FAILED" : ""}`, `${number(jobsBelow[i])} below${bad}`));
    }
    if (node[ERROR]) tree.append(make("span", "error", ...marked(node[ERROR])));
    if (node[WHEN] !== null) element.append(make("span", "when", node[WHEN]));
    const fall = make("span", "fall");
    if (node[BEGAN] !== null && head.span_ms !== null) {
      const run = make("span", "run");
      const share = (value) => (head.span_ms ? (100 * value) / head.span_ms : 0);
      run.style.left = `min(${share(node[BEGAN])}%, 100% - 3px)`;
      run.style.width = `${share(node[ENDED] - node[BEGAN])}%`;
      fall.append(run);
    }
    element.append(
      make("span", `status ${colour}`, word),
      make("span", "category", ...marked(node[CATEGORIES].join(", "))),
      make("span", "entity", ...marked(node[ENTITY])),
      make("span", "duration", node[DURATION]),
      fall,
      make("span", "id", ...marked(node[ID] ?? "")),
    );
    for (const cell of element.querySelectorAll(".label, .entity, .id, .error")) cell.title = cell.textContent;
    return element;
  };

  // --- details ------------------------------------------------------------------------------------------------

  const parsed = new Map(); // a few blocks of whole rows

  const wholeRow = (row) => {
    const block = Math.floor(row / head.rowsInBlock);
    if (!parsed.has(block)) {
      if (parsed.size > 4) parsed.clear();
      parsed.set(block, details[block] ? read(details[block]) : { columns: [], rows: {} });
    }
    const { columns, rows } = parsed.get(block);
    return rows[row] && { columns, values: rows[row] };
  };

  // Laid out by its tokens, which stay as they are: to read a number would round it.
  const laidOut = (json) => {
    let indent = "";
    let text = "";
    let before = "";
    for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s"{}[\],:]+/gs)) {
      const shuts = token === "}" || token === "]";
      if (shuts) indent = indent.slice(2);
      if (shuts ? before !== "{" && before !== "[" : /[{[,]/.test(before) && before.length === 1) text += `\n${indent}`;
      if (token === "{" || token === "[") indent += "  ";
      text += token === ":" ? ": " : token;
      before = token;
    }
    return text;
  };

  const rowDetails = (row, nth, of) => {
    const whole = wholeRow(row);
    const section = make("section", "");
    if (of > 1) section.append(make("h3", "", `Row ${number(nth + 1)} of ${number(of)}`));
    if (!whole) {
      section.append(make("p", "cut", "The details of this row are not in this file."));
      return section;
    }
    const list = make("dl", "row");
    const empty = [];
    whole.columns.forEach((column, n) => {
      const value = whole.values[n];
      if (value === null) {
        empty.push(column);
        return;
      }
      const { text, json, cut } = typeof value === "string" ? { text: value } : value;
      const shown = make("dd", "", make("pre", "", json && !cut && text.length > 60 ? laidOut(text) : text));
      if (cut) shown.append(make("p", "cut", `${number(cut)} more characters are not in this file`));
      list.append(make("dt", "", column), shown);
    });
    section.append(list);
    if (empty.length) section.append(make("p", "", `NULL: ${empty.join(", ")}`));
    return section;
  };

  const AT_A_TIME = 20; // rows of one job

  const moreRows = (panel, i, from) => {
    const of = nodes[i][ROWS];
    const to = Math.min(of, from + AT_A_TIME);
    for (let n = from; n < to; n++) panel.append(rowDetails(firstRow[i] + n, n, of));
    if (to === of) return;
    const more = make("button", "", `Show ${number(Math.min(AT_A_TIME, of - to))} of ${number(of - to)} more rows`);
    more.type = "button";
    more.addEventListener("click", () => {
      more.remove();
      moreRows(panel, i, to);
    });
    panel.append(more);
  };

  const tell = () => {
    if (!shownCount) return;
    const panel = at("details");
    const node = nodes[active];
    const wasHidden = panel.hidden;
    const shut = make("button", "shut", "Close");
    shut.type = "button";
    shut.addEventListener("click", hide);
    panel.hidden = false;
    panel.replaceChildren(shut, make("h2", "", node[ID] ?? node[LABEL]));
    panel.scrollTop = 0;
    if (node[KIND] === OMISSION) return;
    for (const [kind, text] of node[MARKS]) {
      panel.append(make("p", "", make("span", `badge ${kind}`, text), ` ${head.legend[kind]}`));
    }
    if (jobsBelow[active]) {
      const bad = failedBelow[active] ? `, ${number(failedBelow[active])} of them failed` : "";
      panel.append(make("p", "", `${number(jobsBelow[active])} below${bad}`));
    }
    if (!node[ROWS]) panel.append(make("p", "", head.noRows[1]));
    moreRows(panel, active, 0);
    if (wasHidden) show(active); // the panel takes from the lines' room
  };

  const hide = () => {
    at("details").hidden = true;
    lines.focus({ preventScroll: true });
  };

  // --- what a person does ---------------------------------------------------------------------------------------

  const toggle = (i, to) => {
    if (!hasChildren(i)) return;
    opened()[i] = to ? 1 : 0;
    list();
    activate(i);
  };
  const toggleAll = (to) => {
    opened().fill(to ? 1 : 0);
    if (!to) opened()[0] = 1;
    list();
    activate(shown[position(active)]);
  };
  const clear = () => {
    query = at("search").value = "";
    wanted.statuses.clear();
    wanted.categories.clear();
    for (const chip of document.querySelectorAll(".chips button")) chip.ariaPressed = "false";
    const was = active;
    filter();
    const isOpen = opened();
    for (let up = parent[was]; up >= 0; up = parent[up]) isOpen[up] = 1;
    list();
    activate(was, true);
  };
  const move = (by) => {
    const n = Math.min(Math.max(position(active) + by, 0), shownCount - 1);
    if (shownCount) activate(shown[n]);
  };
  const goTo = (test, step) => {
    const found = next(active, test, step);
    if (found !== undefined) reveal(found);
  };
  const nextFailure = (step = 1) => {
    // The first one first, not the one below where nobody has gone yet.
    const found = visited ? next(active, (i) => failed[i], step) : firstFailure();
    visited = true;
    if (found !== undefined) reveal(found);
    lines.focus({ preventScroll: true });
  };
  let visited = false;
  const firstFailure = () => tail.firstFailure ?? next(count - 1, (i) => failed[i]);

  const themes = ["auto", "light", "dark"];
  const theme = () => {
    const now = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % 3];
    document.documentElement.dataset.theme = now;
    at("theme").textContent = `Theme: ${now}`;
  };
  const help = () => {
    at("about").hidden = !at("about").hidden;
    at("help").ariaExpanded = String(!at("about").hidden);
    draw();
  };
  const escape = () => {
    if (!at("about").hidden) help();
    else if (!at("details").hidden) hide();
    else if (keep) clear();
  };

  const KEYS = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    PageDown: () => move(Math.floor(measures().view / rowHeight) - 1),
    PageUp: () => move(1 - Math.floor(measures().view / rowHeight)),
    Home: () => move(-count),
    End: () => move(count),
    ArrowRight: () => (opened()[active] || !hasChildren(active) ? hasChildren(active) && move(1) : toggle(active, true)),
    ArrowLeft: () => {
      if (hasChildren(active) && opened()[active]) toggle(active, false);
      else if (parent[active] >= 0) activate(parent[active]);
    },
    Enter: () => (at("details").hidden ? tell() : hide()),
    " ": () => (at("details").hidden ? tell() : hide()),
    "*": () => {
      for (let i = 0; i < count; i++) if (parent[i] === parent[active]) opened()[i] = 1;
      list();
      activate(active);
    },
  };
  const ANYWHERE = {
    "/": () => at("search").focus(),
    f: () => nextFailure(1),
    F: () => nextFailure(-1),
    n: () => keep && goTo((i) => keep[i] === 2, 1),
    N: () => keep && goTo((i) => keep[i] === 2, -1),
    a: () => reveal(asked),
    e: () => toggleAll(true),
    c: () => toggleAll(false),
    t: theme,
    "?": help,
    Escape: escape,
  };

  const IN_SEARCH = {
    Enter: (event) => goTo((i) => keep?.[i] === 2, event.shiftKey ? -1 : 1),
    ArrowDown: () => lines.focus(),
    Escape: () => {
      if (keep) clear();
      lines.focus({ preventScroll: true });
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const searching = event.target === at("search");
    let act = ANYWHERE[event.key];
    if (searching) {
      act = IN_SEARCH[event.key];
      // The body has the focus once a button that had it is gone.
    } else if (event.target === lines || event.target === document.body) act ??= KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act(event);
  });

  lines.addEventListener("click", (event) => {
    const element = event.target.closest(".line");
    if (!element) return;
    const i = Number(element.id.slice(1));
    if (event.target.closest(".twisty")) {
      toggle(i, !opened()[i]);
      return;
    }
    const again = i === active && !at("details").hidden;
    activate(i);
    if (again) hide();
    else tell();
  });
  lines.addEventListener("dblclick", (event) => {
    if (event.target.closest(".line")) toggle(active, !opened()[active]);
  });

  let typing;
  at("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      query = at("search").value.trim().toLowerCase();
      filter();
    }, 80);
  });
  at("failure").addEventListener("click", () => nextFailure(1));
  at("theme").addEventListener("click", theme);
  at("help").addEventListener("click", help);
  at("open").addEventListener("click", () => toggleAll(true));
  at("close").addEventListener("click", () => toggleAll(false));
  scroller.addEventListener("scroll", later, { passive: true });

  const chips = (name, words, shownAs) => {
    for (const [word, jobs] of words) {
      const chip = make("button", "", ...shownAs(word), make("span", "count", number(jobs)));
      chip.type = "button";
      chip.ariaPressed = "false";
      chip.addEventListener("click", () => {
        const pressed = wanted[name].delete(word) || (wanted[name].add(word), false);
        chip.ariaPressed = String(!pressed);
        filter();
      });
      at(name).append(chip);
    }
  };

  // How many jobs have each of a list's words; failures first, then the most common.
  const tally = (list) => {
    const found = new Map();
    for (const node of nodes) {
      if (node[KIND] !== OMISSION) for (const word of node[list]) found.set(word, (found.get(word) ?? 0) + 1);
    }
    return [...found].sort(([a, m], [b, n]) => (b === "FAILED") - (a === "FAILED") || n - m);
  };

  // --- the page -----------------------------------------------------------------------------------------------

  at("what").textContent = head.what;
  at("subject").textContent = head.subject;
  at("facts").textContent = head.facts;
  document.body.classList.add(head.role === "treeitem" ? "tree-report" : "timeline");
  lines.role = head.role === "treeitem" ? "tree" : "listbox";
  lines.ariaLabel = `${head.what} ${head.subject}`;
  for (const button of [at("open"), at("close")]) button.hidden = head.role !== "treeitem";
  at("failure").disabled = !failed.includes(1);
  for (const [name, sign, meaning] of head.signs) {
    if (used.has(name)) at("legend").append(make("dt", "", sign), make("dd", "", meaning));
  }
  for (const note of tail.notes) at("notes").append(make("li", "", note));
  for (const [name, text] of head.columns) at("columns").append(make("span", name, text));
  const axis = make("span", "fall");
  for (const [share, text] of head.ticks) {
    const tick = make("span", "tick", text);
    tick.style.left = `${100 * share}%`;
    axis.append(tick);
  }
  at("columns").append(axis);
  // A monospace character of 12 pixels is 7.3 wide at most; of longer ids the details have the rest.
  scroller.style.setProperty("--ids", `${Math.min(Math.max(tail.widestId, 6), 40) * 7.3 + 4}px`);
  chips("statuses", tally(STATUSES), (name) => [status(name).join(" ")]);
  chips("categories", tally(CATEGORIES), (word) => [word]);

  // A small tree is open, of a larger one the way to the job that was asked for and to the first failure.
  open.fill(count <= OPEN_UP_TO ? 1 : 0);
  const ways = [0, asked, firstFailure()].filter((i) => i !== undefined && i < count);
  for (const i of ways) for (let up = i; up >= 0; up = parent[up]) if (up !== i || i === 0) open[up] = 1;
  const measure = () => {
    rowHeight = Number.parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
    const step = Number.parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--step"));
    const fits = Math.max(4, Math.floor((scroller.clientWidth * 0.22) / step));
    if (fits !== levels) version++;
    levels = fits;
    draw();
  };
  active = asked;
  list();
  measure();
  show(active, true);
  new ResizeObserver(measure).observe(scroller);
  lines.focus({ preventScroll: true });
  document.documentElement.dataset.ready = "true";
})();
