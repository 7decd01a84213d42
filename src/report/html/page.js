(function () {
  var form = document.querySelector("form.filter"), table = document.getElementById("mailboxes-table");
  if (!form || !table) { return; }
  var rows = Array.prototype.slice.call(table.tBodies[0].rows), shown = form.querySelector("output");
  var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
  function filter() {
    var words = form.elements.q.value.toLowerCase().split(" ").filter(Boolean), outcome = form.elements.o.value, n = 0;
    rows.forEach(function (row, i) {
      var fits = (outcome === "" || row.className === outcome) ? words.every(function (w) { return texts[i].indexOf(w) !== -1; }) : false;
      row.hidden = !fits;
      if (fits) { n += 1; }
    });
    shown.textContent = n.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " shown";
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.hidden = false;
  filter();
}());
