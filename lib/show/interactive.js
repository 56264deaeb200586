// In pages and in JupyterLab alike, with nothing of either: a click on a column's head sorts a table, one on a figure shows it
// at full size. Without this script both are read as they are.
(() => {
  if (globalThis.reportInteractive) return; // every notebook brings it
  globalThis.reportInteractive = true;

  const HEAD = '.table thead th > [role="button"]', IMAGE = "figure > img", ZOOM = "dialog.zoom";
  const SUPERSCRIPT = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"; // as lib/show/table.py writes powers of ten
  const SORTED = ["ascending", "descending", null]; // what a click leads to, in turn; at last back to the report's own order
  const STYLE = `
    ${HEAD} { cursor: pointer; }
    ${HEAD}:focus-visible { outline: 2px solid; outline-offset: 2px; }
    ${HEAD}:hover { text-decoration: underline; text-underline-offset: 0.2em; }
    th[aria-sort] > [role="button"]::before { content: "▲"; display: inline-block; width: 1.3em; margin-left: -1.3em; font-size: 0.65em; }
    th[aria-sort="descending"] > [role="button"]::before { content: "▼"; }
    th[aria-sort]:first-child > [role="button"]::before { margin-left: 0; }
    figure > img[role="button"] { cursor: zoom-in; }
    ${ZOOM} { border: 0; padding: 0; margin: auto; max-width: 98vw; max-height: 98vh; overflow: auto; background: #fff; cursor: zoom-out; }
    ${ZOOM}::backdrop { background: rgb(0 0 0 / 0.75); }
    ${ZOOM} img { display: block; max-width: none; }
    @media print { ${ZOOM} { display: none; } }

    .jp-RenderedHTML .table { overflow-x: auto; font-variant-numeric: tabular-nums; }
    .jp-RenderedHTML .table table { margin: 0.6em 0; }
    .jp-RenderedHTML .table :is(caption, th, td) { text-align: left; vertical-align: baseline; }
    .jp-RenderedHTML .table thead th { vertical-align: bottom; }
    .jp-RenderedHTML .table :is(caption, td.missing, td.interval), .jp-RenderedHTML .reasons { color: var(--jp-ui-font-color2); }
    .jp-RenderedHTML .table :is(th, td).number:not([colspan]) { text-align: right; }
    .jp-RenderedHTML .table td.number { text-align: right; white-space: nowrap; }
    .jp-RenderedHTML .table td.interval { padding-left: 0; white-space: nowrap; }
    .jp-RenderedHTML .table td.best { font-weight: 700; background: color-mix(in srgb, var(--jp-success-color1) 18%, transparent); }
    .jp-RenderedHTML figure { margin: 0.6em 0; }
    .jp-RenderedHTML ul.findings { list-style: none; padding-left: 0; }
    .jp-RenderedHTML .finding { border-left: 4px solid var(--jp-border-color1); padding-left: 0.7em; margin: 0.4em 0; }
    .jp-RenderedHTML .finding.bad { border-color: var(--jp-error-color1); }
    .jp-RenderedHTML .finding.warn { border-color: var(--jp-warn-color1); }
    .jp-RenderedHTML .finding.good { border-color: var(--jp-success-color1); }`;

  const cellAt = (row, place) => {
    let end = 0;
    return [...row.cells].find((cell) => (end += cell.colSpan) > place);
  };

  const measured = (row) => !row.querySelector(".missing:not(.none)") || row.querySelector(".number:not(.missing)");

  // What a cell is sorted by, null for what comes last: not measured, or nothing.
  const key = (cell, numeric) => {
    if (!cell || cell.classList.contains("missing")) return null;
    const text = [...cell.childNodes].filter((node) => node.nodeName !== "SUP").map((node) => node.textContent).join("").trim();
    if (!numeric || !text) return text || null;
    const power = (_, digits) => `e${[...digits].map((digit) => "-0123456789"[SUPERSCRIPT.indexOf(digit)]).join("")}`;
    const value = Number(text.replaceAll(",", "").replace(/×10(.+)$/, power));
    return Number.isNaN(value) ? null : value;
  };

  const sort = (head) => {
    const table = head.closest("table"), [body] = table.tBodies, heads = [...head.parentElement.cells];
    const place = heads.slice(0, heads.indexOf(head)).reduce((sum, other) => sum + other.colSpan, 0);
    const order = SORTED[(SORTED.indexOf(head.getAttribute("aria-sort")) + 1) % SORTED.length];
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    if (order) head.setAttribute("aria-sort", order);
    const words = new Intl.Collator(/[\u3040-\u9fff]/.test(table.textContent) ? "ja" : "en", { numeric: true }).compare;
    const sign = order === "descending" ? -1 : 1;
    const compare = ([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (typeof a === "number" ? a - b : words(a, b));
    };
    body.asReported ??= [...body.rows];
    const keyed = body.asReported.map((row) => [measured(row) ? key(cellAt(row, place), head.classList.contains("number")) : null, row]);
    body.append(...(order ? keyed.sort(compare) : keyed).map(([, row]) => row));
  };

  const zoom = (image) => {
    const dialog = document.createElement("dialog");
    dialog.className = "zoom";
    dialog.setAttribute("aria-label", image.alt);
    dialog.append(Object.assign(new Image(), { src: image.src, alt: image.alt, tabIndex: 0 }));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };

  // Not a <button>, which lays its words out in its own way.
  const asButton = (element) => {
    element.setAttribute("role", "button");
    element.tabIndex = 0;
    return element;
  };

  const prepare = (root) => {
    for (const table of root.querySelectorAll(".table > table")) {
      const rows = table.tHead?.rows;
      if (rows?.length !== 1 || table.tBodies[0]?.rows.length < 2) continue;
      for (const head of rows[0].cells) {
        if (head.querySelector("[role], a") || !head.textContent.trim()) continue;
        const button = asButton(document.createElement("span"));
        button.append(...head.childNodes);
        head.append(button);
      }
    }
    root.querySelectorAll(IMAGE).forEach(asButton);
  };

  document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }));
  prepare(document);
  const added = (changes) => changes.forEach((change) => change.addedNodes.forEach((node) => node.nodeType === Node.ELEMENT_NODE && prepare(node)));
  new MutationObserver(added).observe(document.body, { childList: true, subtree: true });

  // Both before JupyterLab, whose own keys would take them.
  addEventListener("click", ({ target }) => {
    if (target.closest?.(ZOOM)) target.closest(ZOOM).close();
    else if (target.closest?.(HEAD)) sort(target.closest("th"));
    else if (target.closest?.(IMAGE)) zoom(target.closest(IMAGE));
  }, true);
  addEventListener("keydown", (event) => {
    const open = document.querySelector(ZOOM), chosen = open ?? event.target.closest?.(`${HEAD}, ${IMAGE}`);
    if (!chosen || !(["Enter", " "].includes(event.key) || (open && event.key === "Escape"))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat) chosen.click();
  }, true);
})();
