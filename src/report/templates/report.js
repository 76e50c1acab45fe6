// Comforts only: the page says everything without them.
(function () {
  var root = document.documentElement, button = document.getElementById("theme");
  var dark = function () { return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches; };
  var name = function () { button.textContent = dark() ? "Light" : "Dark"; };
  button.hidden = false; name();
  button.onclick = function () { root.dataset.theme = dark() ? "light" : "dark"; name(); };
  var links = Array.prototype.slice.call(document.querySelectorAll(".toc a"));
  var here = function () {
    var at = null;
    links.forEach(function (link) { var part = document.getElementById(link.hash.slice(1)); if (part && part.getBoundingClientRect().top < 120) at = link; });
    links.forEach(function (link) { if (link === (at || links[0])) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current"); });
  };
  addEventListener("scroll", here, { passive: true }); here();
  addEventListener("beforeprint", function () { document.querySelectorAll("details").forEach(function (d) { d.open = true; }); });
  var value = function (row, column) {
    var cell = row.cells[column], text = cell.dataset.v || cell.textContent.trim();
    var number = parseFloat(text.replace(/−/g, "-").replace(/[^0-9.eE-]/g, ""));
    return cell.tagName === "TH" || isNaN(number) ? text : number;
  };
  document.querySelectorAll("table.sortable").forEach(function (table) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
      if (head.classList.contains("plain")) return;
      // No button: browsers leave those out where a table's head is printed again on the next sheet.
      var sorter = document.createElement("span");
      sorter.setAttribute("role", "button"); sorter.tabIndex = 0; sorter.className = "sorter"; sorter.textContent = head.textContent;
      sorter.onkeydown = function (event) { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sorter.onclick(); } };
      head.textContent = ""; head.appendChild(sorter);
      sorter.onclick = function () {
        var up = head.getAttribute("aria-sort") === "descending";
        table.querySelectorAll("[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
        rows.sort(function (a, b) { var x = value(a, column), y = value(b, column), c = x < y ? -1 : x > y ? 1 : 0; return up ? c : -c; });
        rows.forEach(function (row) { body.appendChild(row); });
      };
    });
  });
})();
