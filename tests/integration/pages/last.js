// Runs after everything else of the page: measures it as the browser laid it out.
(function () {
  var all = function (what) { return Array.prototype.slice.call(document.querySelectorAll(what)); };
  var said = function (e) { return (e.textContent || "").trim().replace(/\s+/g, " ").slice(0, 60); };
  var what = function (e) { return e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + " `" + said(e) + "`"; };
  var seen = function (e) { return e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0; };
  // What is clipped to a point is for a screen reader only.
  var spoken = function (e) { return e.closest(".vh, .cards thead, .skip") !== null; };
  all("details").forEach(function (d) { d.open = true; });

  var wide = [];
  all("body *").forEach(function (e) {
    if (!seen(e) || spoken(e) || e.closest(".scroll") !== e && e.closest(".scroll") !== null) { return; }
    var box = e.getBoundingClientRect();
    if (box.right > innerWidth + 1 || box.left < -1) { wide.push(what(e) + " ends at " + Math.round(box.right)); }
  });

  function colour(text) {
    var n = text.match(/[\d.]+/g).map(Number);
    return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 };
  }
  function over(top, below) {
    var mix = function (a, b) { return a * top.a + b * (1 - top.a); };
    return { r: mix(top.r, below.r), g: mix(top.g, below.g), b: mix(top.b, below.b), a: 1 };
  }
  function behind(e) {
    var layers = [];
    for (; e; e = e.parentElement) { layers.push(colour(getComputedStyle(e).backgroundColor)); }
    return layers.reduceRight(function (below, top) { return over(top, below); }, { r: 255, g: 255, b: 255, a: 1 });
  }
  function light(c) {
    var part = function (v) { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); };
    return 0.2126 * part(c.r) + 0.7152 * part(c.g) + 0.0722 * part(c.b);
  }
  var pale = [], texts = 0, least = 21;
  var walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    var e = walk.currentNode.parentElement;
    if (!walk.currentNode.nodeValue.trim() || e.closest("script, style, title, desc, option") || !seen(e) || spoken(e)) { continue; }
    var style = getComputedStyle(e), ground = behind(e);
    var ink = over(colour(e.closest("svg") ? style.fill : style.color), ground);
    var a = light(ink), b = light(ground), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    var size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
    texts += 1;
    least = Math.min(least, ratio);
    if (ratio < (large ? 3 : 4.5)) { pale.push(what(e) + " " + ratio.toFixed(2)); }
  }

  // The browser's own account of what a screen reader is told.
  var nameless = [], roles = {};
  function told(selector, role) {
    all(selector).filter(seen).forEach(function (e) {
      roles[role] = (roles[role] || 0) + 1;
      if (e.computedRole !== role) { nameless.push(what(e) + " is " + e.computedRole + " instead of " + role); }
      else if (!(e.computedName || "").trim()) { nameless.push(what(e) + " has no name"); }
    });
  }
  told("main section", "region");
  told("nav", "navigation");
  told("table", "table");
  // One of each table: the browser takes its time for every answer.
  told("thead th:first-child", "columnheader");
  told("tbody tr:first-child th", "rowheader");
  told("a", "link");
  told("svg[role=img]", "image");
  told("input[type=search]", "searchbox");
  told("select", "combobox");
  told("h1, h2, h3, h4", "heading");
  told(".scroll", "region");
  var unreachable = all(".scroll").filter(function (e) { return seen(e) && e.scrollWidth > e.clientWidth + 1 && e.tabIndex !== 0; });
  var headings = all("h1, h2, h3, h4, h5, h6").filter(seen).map(function (h) { return Number(h.tagName.slice(1)); });
  var role = function (name) { return all("header, main, footer").filter(function (e) { return e.computedRole === name; }).length; };

  window.measured = {
    width: innerWidth,
    scrolls: document.documentElement.scrollWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    wide: wide.slice(0, 8),
    texts: texts,
    least: least,
    pale: pale.slice(0, 8),
    nameless: nameless.slice(0, 8),
    roles: roles,
    unreachable: unreachable.map(what),
    headings: headings,
    banner: role("banner"), main: role("main"), contentinfo: role("contentinfo"),
    lang: document.documentElement.lang,
    title: document.title,
    resources: performance.getEntriesByType("resource").map(function (r) { return r.name; }),
    refused: window.refused,
    tripped: window.tripped,
    verdict: said(document.querySelector(".verdict")),
    lines: all(".sign .line").filter(seen).map(said),
    last: all("main section[id]").filter(seen).map(function (s) { return s.id; }).pop(),
    filtered: (function () {
      var form = document.querySelector("form.filter");
      if (!form || form.hidden || !seen(form)) { return null; }
      form.elements.o.value = "w";
      form.dispatchEvent(new Event("input", { bubbles: true }));
      return all("#mailboxes-table tbody tr").filter(seen).length;
    }())
  };
}());
