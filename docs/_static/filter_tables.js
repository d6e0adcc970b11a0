// A filter above the tables of the support matrix: rows that do not hold all of its words, or have another result, are hidden, and so are
// tables and sections without rows. Without JavaScript the page shows everything.
document.addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector(".matrix-filter");
  if (!place) return;
  const tables = [...document.querySelectorAll("table.matrix")];
  const all = tables.flatMap((table) => [...table.tBodies[0].rows]);
  const texts = new Map(
    tables.flatMap((table) => {
      const title = table.closest("section").querySelector("h2").textContent;
      return [...table.tBodies[0].rows].map((row) => [row, `${title} ${row.textContent}`.toLowerCase()]);
    }),
  );

  const bar = document.createElement("div");
  bar.className = "table-filter";
  const words = document.createElement("input");
  words.type = "search";
  words.placeholder = "Filter: xgboost dart, categories, ranker ...";
  words.setAttribute("aria-label", "Show rows with all of these words");
  const result = document.createElement("select");
  result.setAttribute("aria-label", "Show rows with this result");
  for (const [value, text] of [["", "all results"], ["same bits", "same bits"], ["refused", "refused"], ["other", "other"]]) {
    result.add(new Option(text, value));
  }
  const count = document.createElement("span");
  count.setAttribute("aria-live", "polite");
  bar.append(words, result, count);
  place.append(bar);

  const isShown = (row, wanted) => {
    const found = texts.get(row);
    const cells = [...row.cells].map((cell) => cell.textContent.trim());
    return wanted.every((word) => found.includes(word)) && (!result.value || (cells.find((cell) => cell === "same bits" || cell === "refused") || "other") === result.value);
  };
  const update = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of all) {
      row.hidden = !isShown(row, wanted);
      shown += !row.hidden;
    }
    for (const table of tables) {
      const box = table.closest(".pst-scrollable-table-container") || table;
      box.hidden = [...table.tBodies[0].rows].every((row) => row.hidden);
    }
    for (const section of new Set(tables.map((table) => table.closest("section")))) {
      section.hidden = [...section.querySelectorAll("table.matrix tbody tr")].every((row) => row.hidden);
    }
    count.textContent = `${shown} of ${all.length} rows`;
  };
  words.addEventListener("input", update);
  result.addEventListener("change", update);
  const asked = new URLSearchParams(location.search).get("filter");
  if (asked) words.value = asked;
  update();
});
