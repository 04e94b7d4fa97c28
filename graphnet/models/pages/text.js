// Part of graphnet, under the MIT License.
"use strict";
// Docstrings in the style of numpydoc as elements: paragraphs that flow, lists, terms, code. All text is a node of text.
var graphnetText = (function () {
  function make(tag, text, parent) {
    var node = document.createElement(tag);
    if (text) inline(text, node);
    parent.appendChild(node);
    return node;
  }
  // ``code`` and :role:`name`.
  function inline(text, parent) {
    text.split(/(``[^`]+``|:[a-z:]+:`[^`]+`)/).forEach(function (piece) {
      var code = /^``([^`]+)``$/.exec(piece) || /^:[a-z:]+:`~?([^`]+)`$/.exec(piece);
      var node = code ? document.createElement("code") : document.createTextNode(piece);
      if (code) node.textContent = code[1];
      parent.appendChild(node);
    });
  }
  function plain(lines, parent) {
    var least = Math.min.apply(null, lines.map(function (line) { return line.trim() ? /^ */.exec(line)[0].length : 99; }));
    var node = document.createElement("pre");
    node.textContent = lines.map(function (line) { return line.slice(least); }).join("\n");
    parent.appendChild(node);
  }
  function flow(lines) { return lines.map(function (line) { return line.trim(); }).join(" "); }
  var TERMS = /^(Parameters|Other Parameters|Attributes|Returns|Yields|Raises|Warns)$/;

  function prose(text, parent) {
    var lines = text.split("\n"), n = lines.length, i = 0, terms = false;
    function blank(k) { return k >= n || !lines[k].trim(); }
    function inner(k) { return k < n && /^\s/.test(lines[k]); }
    function title(k) { return k + 1 < n && !inner(k) && /^(-{3,}|={3,}|~{3,})$/.test(lines[k + 1].trim()); }
    function upTo(ends) {
      var from = i;
      for (i += 1; !blank(i) && !ends(i); i++);
      return lines.slice(from, i);
    }
    function never() { return false; }
    while (i < n) {
      if (blank(i)) { i += 1; continue; }
      if (title(i)) {
        make("h4", lines[i], parent);
        terms = TERMS.test(lines[i].trim());
        i += 2;
      } else if (/^\s*(>>>|\.\. )/.test(lines[i]) || /[^ ] {3,}[^ ]/.test(lines[i])) plain(upTo(never), parent);
      else if (/^\s*([-*]|\d+\.) /.test(lines[i])) {
        var list = make("ul", "", parent);
        while (!blank(i)) make("li", flow(upTo(function (k) { return /^\s*([-*]|\d+\.) /.test(lines[k]); })).replace(/^[-*] /, ""), list);
      } else if (inner(i)) {
        var block = upTo(function (k) { return !inner(k); });
        if (terms) make("p", flow(block), parent).className = "meaning"; else plain(block, parent);
      } else if (terms) make("p", "", parent).appendChild(document.createElement("strong")).textContent = lines[i++];
      else make("p", flow(upTo(title)), parent);
    }
  }
  return { prose: prose };
}());
