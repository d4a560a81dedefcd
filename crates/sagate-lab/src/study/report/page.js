"use strict";
// Tables sort by a click on a heading: numbers by their whole value, words as people sort them, missing values last.
(() => {
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const order = (a, b) => {
    const [x, y] = [a.dataset.value, b.dataset.value].map((value) => (value === undefined ? NaN : Number(value)));
    if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return words.compare(a.textContent, b.textContent);
  };

  const sort = (table, column, descending) => {
    const body = table.tBodies[0];
    const cell = (row) => row.cells[column];
    const missing = (row) => cell(row).dataset.missing !== undefined;
    const rows = [...body.rows];
    rows.sort((a, b) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      return descending ? order(cell(b), cell(a)) : order(cell(a), cell(b));
    });
    body.append(...rows);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Sort by this column";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const descending = heading.getAttribute("aria-sort") === "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(table, column, descending);
      });
    });
  }
})();

// The contents show which section is being read.
(() => {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const sections = [...document.querySelectorAll("main section")];
  const mark = () => {
    const passed = sections.filter((section) => section.getBoundingClientRect().top < window.innerHeight / 3);
    const current = passed.length > 0 ? links.get(passed[passed.length - 1].id) : undefined;
    for (const link of links.values()) {
      if (link === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  let waiting = false;
  window.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    window.requestAnimationFrame(() => {
      waiting = false;
      mark();
    });
  });
  mark();
})();
