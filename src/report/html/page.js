"use strict";
(() => {
  const root = document.documentElement;
  const themes = ["auto", "light", "dark"];
  // Pages from files and in frames may have no storage.
  const store = (theme) => {
    try {
      if (theme === undefined) return localStorage.getItem("redivis-ingest-theme");
      localStorage.setItem("redivis-ingest-theme", theme);
    } catch { /* the choice lasts as long as the page */ }
    return null;
  };
  const wear = (theme) => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  };
  let theme = themes.includes(store()) ? store() : "auto";
  wear(theme);

  const every = (selector, from = document) => [...from.querySelectorAll(selector)];
  const make = (tag, text) => {
    const one = document.createElement(tag);
    one.textContent = text;
    return one;
  };

  const themeButton = () => {
    const button = document.getElementById("theme");
    const tell = () => { button.textContent = `Theme: ${theme}`; };
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      wear(theme);
      store(theme);
      tell();
    });
    tell();
    button.hidden = false;
  };

  const order = new Intl.Collator("en", { numeric: true });
  const sortable = (table) => {
    const heads = every("thead th", table);
    heads.forEach((head, column) => {
      const button = make("button", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((one) => one.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const key = (row) => {
          const cell = row.cells[column];
          return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
        };
        const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : order.compare(a, b));
        const rows = [...body.rows].map((row) => [key(row), row]);
        rows.sort((a, b) => (down ? compare(b[0], a[0]) : compare(a[0], b[0])));
        body.append(...rows.map((pair) => pair[1]));
      });
    });
  };

  const search = () => {
    const tools = document.getElementById("tools");
    if (!tools) return;
    const words = document.getElementById("find");
    const state = document.getElementById("state");
    const tell = document.getElementById("found");
    const jobs = every(".job").map((box) => ({
      box,
      rows: every("tbody tr", box).map((row) => ({ row, text: row.textContent.toLowerCase(), state: row.dataset.s })),
    }));
    const total = jobs.reduce((sum, job) => sum + job.rows.length, 0);
    const filter = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let seen = 0;
      for (const job of jobs) {
        let here = 0;
        for (const one of job.rows) {
          const fits = (!state.value || one.state === state.value) && wanted.every((word) => one.text.includes(word));
          one.row.hidden = !fits;
          here += fits ? 1 : 0;
        }
        job.box.hidden = here === 0 && job.rows.length > 0;
        seen += here;
      }
      tell.textContent = seen === total ? `${total} shown` : `${seen} of ${total} shown`;
    };
    words.addEventListener("input", filter);
    state.addEventListener("change", filter);
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest && event.target.closest("input, select, textarea");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        words.focus();
      } else if (event.key === "Escape" && event.target === words) {
        words.value = "";
        filter();
      }
    });
    tools.hidden = false;
    filter();
  };

  // A line under the pointer, and the figure there in the chart's caption.
  const readable = (figure) => {
    const svg = figure.querySelector("svg");
    const said = figure.querySelector("figcaption span");
    const usual = said.textContent;
    const rows = every("#figures tbody tr");
    const column = Number(figure.dataset.column);
    const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("class", "at");
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const at = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.99999) * width;
      const row = rows[Math.min(Math.floor(at / Number(figure.dataset.width)), rows.length - 1)];
      if (!row) return;
      line.setAttribute("d", `M${at} 0V${height}`);
      svg.append(line);
      said.textContent = `${row.cells[0].textContent}: ${row.cells[column].textContent}`;
    });
    svg.addEventListener("pointerleave", () => {
      line.remove();
      said.textContent = usual;
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    themeButton();
    every("table.sorts").forEach(sortable);
    search();
    every("figure[data-column]").forEach(readable);
  });
})();
