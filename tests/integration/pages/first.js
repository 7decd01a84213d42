// Runs before everything else of the page: what the browser refuses or trips over.
window.refused = [];
window.tripped = [];
addEventListener("securitypolicyviolation", function (e) { window.refused.push(e.violatedDirective + " " + e.blockedURI); });
addEventListener("error", function (e) { window.tripped.push(String(e.message || e.target)); }, true);
