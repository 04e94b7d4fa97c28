// Part of graphnet, under the MIT License.
"use strict";
(function () {
  var block = document.getElementById("data"), update = null;
  function arrived(fresh) { if (update) update(fresh); else update = begin(fresh); }
  if (block.textContent) arrived(JSON.parse(block.textContent));
  else document.addEventListener("graphnet:data", function (event) { arrived(event.detail); });

  function begin(data) {
  var SVG = "http://www.w3.org/2000/svg";
  var graphs = data.graphs || [], byPath = Object.create(null), parents = Object.create(null), opened = Object.create(null), chosen = null;
  graphs.forEach(function (graph, number) {
    graph.boxes.forEach(function (box) { byPath[box.p] = box; parents[box.p] = number; });
  });
  var owner = Object.create(null);
  graphs.forEach(function (graph) { graph.boxes.forEach(function (box) { if (box.g) owner[box.g] = box.p; }); });

  function make(tag, options, parent) {
    var node = document.createElement(tag);
    Object.keys(options || {}).forEach(function (key) {
      if (key === "text") node.textContent = options[key]; else node.setAttribute(key, options[key]);
    });
    if (parent) parent.appendChild(node);
    return node;
  }
  function draw(tag, options, parent) {
    var node = document.createElementNS(SVG, tag);
    Object.keys(options || {}).forEach(function (key) {
      if (key === "text") node.textContent = options[key]; else node.setAttribute(key, options[key]);
    });
    if (parent) parent.appendChild(node);
    return node;
  }
  // Equations come as data; only these elements are made of them, and texts are nodes of text.
  var MATH = "http://www.w3.org/1998/Math/MathML";
  var MARKS = " mrow mi mn mo mtext mfrac msup msub msubsup munder msqrt mtable mtr mtd mspace ";
  function marked(mark, parent) {
    if (typeof mark === "string") { parent.appendChild(document.createTextNode(mark)); return; }
    if (!Array.isArray(mark) || MARKS.indexOf(" " + mark[0] + " ") < 0) return;
    var node = document.createElementNS(MATH, mark[0]);
    if (mark[0] === "mo" && "()[]{}|".indexOf(mark[1]) >= 0) node.setAttribute("stretchy", mark[1] === "{" ? "true" : "false");
    mark.slice(1).forEach(function (inside) { marked(inside, node); });
    parent.appendChild(node);
  }
  function math(marks, parent) {
    var node = document.createElementNS(MATH, "math");
    marks.forEach(function (mark) { marked(mark, node); });
    parent.appendChild(node);
  }
  function parts(mark) { return mark[0] === "mrow" ? mark.slice(1) : [mark]; }
  // A line is a row of pieces that may be broken after signs.
  function equation(mark, code, parent) {
    var line = make("div", { "class": "equation", role: "math", "aria-label": code }, parent);
    var piece = [], depth = 0;
    parts(mark[1]).concat([["mo", "="]], parts(mark[2])).forEach(function (each) {
      var sign = each[0] === "mo" ? each[1] : "";
      piece.push(each);
      depth += (sign === "[") - (sign === "]");
      if (!depth && sign && "=+−⊙·,⊗".indexOf(sign) >= 0 && (sign !== "−" || piece.length > 1)) { math(piece, line); piece = []; }
    });
    if (piece.length) math(piece, line);
    if (line.scrollWidth > line.clientWidth) line.tabIndex = 0;
  }
  // Names such as "constructor" are no properties of tables that do not have them.
  function own(table, key) { return table && Object.prototype.hasOwnProperty.call(table, key) ? table[key] : undefined; }
  function figure(value) {
    if (value === null || value === undefined) return "not finite";
    if (typeof value !== "number") return String(value);
    return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4)));
  }

  // ---------------------------------------------------------------- frame
  var header = make("header", {}, document.body);
  make("h1", { text: data.title, title: data.title }, header);
  var search = make("input", { id: "search", type: "search", placeholder: "Search", "aria-label": "Search nodes by name or layer" });
  var theme = make("button", { id: "theme", type: "button", text: "Dark", "aria-pressed": "false" });
  if (graphs.length) header.appendChild(search);
  header.appendChild(theme);
  var main = make("main", {}, document.body);
  var stage = make("div", { id: "stage" });
  var side = make("aside", { "aria-label": "Details", tabindex: 0 });
  if (graphs.length) main.appendChild(stage);
  main.appendChild(side);
  if (!graphs.length) main.className = "only";

  function setTheme(dark) {
    document.documentElement.setAttribute("data-theme", dark ? "dark" : "light");
    theme.textContent = dark ? "Light" : "Dark";
    theme.setAttribute("aria-pressed", String(dark));
    pictures.forEach(function (each) { each.paint(); });
  }
  var pictures = [];
  var SATURATED = 0.5, VANISHED = 0.001;
  theme.addEventListener("click", function () {
    setTheme(document.documentElement.getAttribute("data-theme") !== "dark");
  });

  // ---------------------------------------------------------------- places: room is inserted where a box is open
  function stretch(pieces, value) {
    return pieces.reduce(function (sum, piece) {
      var share = piece[1] > piece[0] ? (value - piece[0]) / (piece[1] - piece[0]) : 1;
      return sum + piece[2] * Math.max(0, Math.min(1, share));
    }, value);
  }
  function insert(pieces, from, to, needed) {
    var missing = needed - (stretch(pieces, to) - stretch(pieces, from));
    if (missing > 0) pieces.push([from, to, missing]);
  }
  function layout(number) {
    var graph = graphs[number], xs = [], ys = [], inner = Object.create(null);
    graph.boxes.forEach(function (box) {
      if (box.g && opened[box.p]) {
        var inside = inner[box.p] = layout(box.g), at = box.at;
        insert(xs, at[0], at[0] + at[2], Math.max(inside.w + 28, 7.5 * (box.n.length + box.s.length) + 40));
        insert(ys, at[1], at[1] + at[3], inside.h + 40);
      }
    });
    var boxes = graph.boxes.map(function (box) {
      var at = box.at, x = stretch(xs, at[0]), y = stretch(ys, at[1]);
      var h = inner[box.p] ? stretch(ys, at[1] + at[3]) - y : at[3];
      return { box: box, x: x, y: y, w: stretch(xs, at[0] + at[2]) - x, h: h, inner: inner[box.p] };
    });
    var lines = graph.lines.map(function (line) {
      var points = [];
      for (var i = 0; i < line.pts.length; i += 2) points.push([stretch(xs, line.pts[i]), stretch(ys, line.pts[i + 1])]);
      pull(line, points, line.a, 0, 1);
      pull(line, points, line.b, points.length - 1, -1);
      return { line: line, points: points, at: line.at && beside(line, points) };
    });
    // A label keeps its distance from the line, where that is nearest.
    function beside(line, points) {
      var least = Infinity, best = points[0];
      for (var i = 0; i + 1 < points.length; i++) {
        var x = line.pts[2 * i], y = line.pts[2 * i + 1], dx = line.pts[2 * i + 2] - x, dy = line.pts[2 * i + 3] - y;
        var part = Math.max(0, Math.min(1, ((line.at[0] - x) * dx + (line.at[1] - y) * dy) / (dx * dx + dy * dy || 1)));
        var ox = line.at[0] - x - part * dx, oy = line.at[1] - y - part * dy, a = points[i], b = points[i + 1];
        if (Math.hypot(ox, oy) >= least) continue;
        least = Math.hypot(ox, oy);
        best = [a[0] + part * (b[0] - a[0]) + ox, a[1] + part * (b[1] - a[1]) + oy];
      }
      return best;
    }
    // A closed box keeps its height beside an open one: lines that leave it follow its border.
    function pull(line, points, end, first, step) {
      var placed = boxes[end], raw = line.pts[first * 2 + 1], top = placed.box.at[1];
      if (placed.inner || !points.length) return;
      var y = placed.y + (raw - top), old = points[first][1];
      if (Math.abs(y - old) < 0.01) return;
      for (var i = first; i >= 0 && i < points.length && Math.abs(points[i][1] - old) < 0.01; i += step) points[i][1] = y;
    }
    return { w: stretch(xs, graph.w), h: stretch(ys, graph.h), boxes: boxes, lines: lines };
  }

  // ---------------------------------------------------------------- drawing
  var picture = draw("svg", { role: "tree", "aria-label": "Graph of the model: arrow keys move, Enter shows details, o opens and closes" });
  var defs = draw("defs", {}, picture);
  var marker = draw("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7.5, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, defs);
  draw("path", { d: "M0 .8 L8 4 L0 7.2 z", "class": "arrow" }, marker);
  var world = draw("g", {}, picture);
  var view = { x: 20, y: 20, k: 1 }, places = Object.create(null), whole = { w: 1, h: 1 };

  function render() {
    while (world.firstChild) world.removeChild(world.firstChild);
    places = Object.create(null);
    whole = layout(0);
    fill(whole, world, 0, 0);
    mark();
  }
  function fill(placed, parent, left, top) {
    placed.boxes.forEach(function (each) { boxOf(each, parent, left, top); });
    placed.lines.forEach(function (each) {
      var path = draw("path", {
        "class": "edge", "marker-end": "url(#arrow)",
        d: "M" + each.points.map(function (p) { return p[0].toFixed(1) + " " + p[1].toFixed(1); }).join(" L")
      }, parent);
      draw("title", { text: each.line.l }, path);
    });
    placed.lines.forEach(function (each) {
      if (!each.at || !each.line.l) return;
      var wide = each.line.l.length * 5.9;
      draw("rect", { "class": "behind", x: each.at[0] - wide / 2, y: each.at[1] - 6, width: wide, height: 12 }, parent);
      draw("text", { "class": "small", x: each.at[0], y: each.at[1] + 3.5, "text-anchor": "middle", text: each.line.l }, parent);
    });
  }
  function boxOf(each, parent, left, top) {
    var box = each.box, names = ["box", box.r.split(" ")[0]];
    if (box.c !== undefined || box.as) names.push("weights");
    if (box.as) names.push("shared");
    if (each.inner) names.push("open");
    if (box.m && box.m.indexOf("unused") >= 0) names.push("unused");
    var spoken = [box.s ? box.n + " " + box.s : box.n, box.h, box.as ? "shares the weights of " + box.as : "", box.g ? (each.inner ? "open" : "closed, o opens it") : ""];
    var group = draw("g", {
      "class": names.join(" "), transform: "translate(" + each.x.toFixed(1) + " " + each.y.toFixed(1) + ")",
      role: "treeitem", tabindex: -1, "aria-label": spoken.filter(Boolean).join(", ")
    }, parent);
    if (box.g) group.setAttribute("aria-expanded", String(Boolean(each.inner)));
    draw("rect", { width: each.w.toFixed(1), height: each.h.toFixed(1), rx: box.r === "node" ? 5 : each.h / 2 }, group);
    places[box.p] = { group: group, x: left + each.x, y: top + each.y, w: each.w, h: each.h };
    group.addEventListener("click", function (event) {
      event.stopPropagation();
      if (moved) return;
      if (box.g && (event.detail > 1 || chosen === box.p || onPlus(event, each, group))) toggle(box.p);
      choose(box.p, true);
    });
    if (each.inner) {
      var head = draw("text", { "class": "name", x: 14, y: 18, text: box.n + " " }, group);
      draw("tspan", { "class": "small", "font-weight": "normal", dx: 6, text: box.s }, head);
      plus(group, each.w - 20, true);
      var x = each.x + (each.w - each.inner.w) / 2, y = each.y + 28;
      var inside = draw("g", { role: "group", "class": "inside", "aria-label": "inside " + box.n, transform: "translate(" + x.toFixed(1) + " " + y.toFixed(1) + ")" }, parent);
      fill(each.inner, inside, left + x, top + y);
      return;
    }
    var middle = each.w / 2 - (box.g ? 8 : 0);
    draw("text", { "class": "name", x: middle, y: box.s ? 17 : each.h / 2 + 4, "text-anchor": "middle", text: box.s ? box.n + " " : box.n }, group);
    if (box.s) draw("text", { "class": "small", x: middle, y: 32, "text-anchor": "middle", text: box.s }, group);
    if (box.g) plus(group, each.w - 18, false);
  }
  function plus(group, x, open) {
    draw("path", { "class": "plus", d: "M" + x + " 6 h11 v11 h-11 z m2.5 5.5 h6" + (open ? "" : " m-3 -3 v6") }, group);
  }
  function onPlus(event, each, group) {
    var frame = group.firstChild.getBoundingClientRect(), scale = frame.width / each.w;
    return frame.right - event.clientX < 26 * scale && event.clientY - frame.top < 24 * scale;
  }
  function move() {
    world.setAttribute("transform", "translate(" + view.x + " " + view.y + ") scale(" + view.k + ")");
  }
  function fit() {
    var frame = stage.getBoundingClientRect();
    view.k = Math.min(1.4, Math.max(0.02, Math.min((frame.width - 30) / whole.w, (frame.height - 30) / whole.h)));
    if (view.k < 0.45) view.k = Math.min(0.8, Math.max(view.k, (frame.width - 30) / whole.w, 0.1));
    view.x = (frame.width - whole.w * view.k) / 2;
    view.y = Math.max(15, (frame.height - whole.h * view.k) / 2);
    move();
  }
  function zoom(factor, x, y) {
    var frame = stage.getBoundingClientRect();
    if (x === undefined) { x = frame.width / 2; y = frame.height / 2; }
    var k = Math.min(6, Math.max(0.02, view.k * factor));
    view.x = x - (x - view.x) * k / view.k;
    view.y = y - (y - view.y) * k / view.k;
    view.k = k;
    move();
  }
  function center(path) {
    var place = places[path], frame = stage.getBoundingClientRect();
    if (!place) return;
    view.k = Math.max(view.k, 0.7);
    view.x = frame.width / 2 - (place.x + place.w / 2) * view.k;
    view.y = frame.height / 2 - (place.y + Math.min(place.h, frame.height / view.k) / 2) * view.k;
    move();
  }

  // ---------------------------------------------------------------- choosing, opening, addresses
  function toggle(path) {
    var before = places[path];
    if (opened[path]) delete opened[path]; else opened[path] = true;
    render();
    var after = places[path];
    if (before && after) { view.x += (before.x - after.x) * view.k; view.y += (before.y - after.y) * view.k; move(); }
    if (opened[path]) bringIn(after);
  }
  // An opened box is shown whole, if its letters can still be read then; else its beginning.
  function bringIn(place) {
    var frame = stage.getBoundingClientRect(), room = 12;
    var x = view.x + place.x * view.k, y = view.y + place.y * view.k, w = place.w * view.k, h = place.h * view.k;
    if (x >= room && y >= room && x + w <= frame.width - room && y + h <= frame.height - room) return;
    var whole = Math.min((frame.width - 2 * room) / place.w, (frame.height - 2 * room) / place.h);
    view.k = Math.min(view.k, whole < 0.55 ? 0.7 : whole);
    view.x = Math.max(room, (frame.width - place.w * view.k) / 2) - place.x * view.k;
    view.y = Math.max(room, (frame.height - place.h * view.k) / 2) - place.y * view.k;
    if (place.w * view.k > frame.width - 2 * room) view.x = (frame.width - place.w * view.k) / 2 - place.x * view.k;
    move();
  }
  function reveal(path) {
    var changed = false, holder = owner[parents[path]];
    while (holder) {
      if (!opened[holder]) { opened[holder] = true; changed = true; }
      holder = owner[parents[holder]];
    }
    if (changed) render();
  }
  function mark() {
    Object.keys(places).forEach(function (path) {
      var group = places[path].group;
      group.classList.toggle("chosen", path === chosen);
      group.setAttribute("tabindex", path === chosen ? 0 : -1);
    });
    if (!chosen || !places[chosen]) {
      var first = graphs[0].boxes[0];
      if (first) places[first.p].group.setAttribute("tabindex", 0);
    }
  }
  function choose(path, focus) {
    if (!byPath[path]) return;
    reveal(path);
    chosen = path;
    mark();
    details(path);
    if (focus) places[path].group.focus({ preventScroll: true });
    var address = "#node=" + encodeURIComponent(path);
    if (location.hash !== address) { try { history.replaceState(null, "", address); } catch (error) { location.hash = address; } }
  }
  // To the overview; the focus stays on the node, so that arrow keys go on from there.
  function leave() {
    var place = places[chosen];
    overview();
    if (place) { place.group.setAttribute("tabindex", 0); place.group.focus({ preventScroll: true }); }
    try { history.replaceState(null, "", location.pathname + location.search); } catch (error) { /* a viewer without addresses */ }
  }
  function fromAddress() {
    var found = /^#node=(.*)$/.exec(location.hash), path = "";
    if (!found) return;
    try { path = decodeURIComponent(found[1]); } catch (error) { return; }
    if (byPath[path]) { choose(path, false); center(path); }
  }
  function nearest(key, from) {
    var here = places[from], best = null, least = Infinity;
    var x = here.x + here.w / 2, y = here.y + Math.min(here.h, 40) / 2;
    Object.keys(places).forEach(function (path) {
      var place = places[path], dx = place.x + place.w / 2 - x, dy = place.y + Math.min(place.h, 40) / 2 - y;
      var along = { ArrowDown: dy, ArrowUp: -dy, ArrowRight: dx, ArrowLeft: -dx }[key];
      var across = key === "ArrowDown" || key === "ArrowUp" ? Math.abs(dx) : Math.abs(dy);
      var distance = along + 2 * across;
      if (along > 3 && distance < least && path !== from) { least = distance; best = path; }
    });
    return best;
  }
  function inView(path) {
    var place = places[path], frame = stage.getBoundingClientRect();
    var x = view.x + place.x * view.k, y = view.y + place.y * view.k;
    if (x < 0 || y < 0 || x + place.w * view.k > frame.width || y + 40 * view.k > frame.height) center(path);
  }
  picture.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    var path = chosen || graphs[0].boxes[0].p;
    Object.keys(places).forEach(function (each) { if (places[each].group === event.target) path = each; });
    if (event.key.indexOf("Arrow") === 0) {
      var next = nearest(event.key, path);
      if (next) { choose(next, true); inView(next); }
    } else if (event.key === "Enter") choose(path, true);
    else if ((event.key === "o" || event.key === " ") && byPath[path].g) { toggle(path); choose(path, true); }
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", function (event) {
    if (!graphs.length || event.ctrlKey || event.metaKey || event.altKey || event.target === search) return;
    if (event.key === "/") { search.focus(); event.preventDefault(); }
    if (event.key === "Escape" && chosen) leave();
    if (event.key === "+") zoom(1.25);
    if (event.key === "-") zoom(0.8);
    if (event.key === "0") fit();
  });

  // ---------------------------------------------------------------- pointers
  var pointers = Object.create(null), moved = false, gap = 0;
  function gapOf() {
    var all = Object.keys(pointers).map(function (id) { return pointers[id]; });
    return all.length < 2 ? 0 : Math.hypot(all[0][0] - all[1][0], all[0][1] - all[1][1]);
  }
  picture.addEventListener("pointerdown", function (event) {
    pointers[event.pointerId] = [event.clientX, event.clientY];
    moved = false;
    gap = gapOf();
  });
  window.addEventListener("pointermove", function (event) {
    var last = pointers[event.pointerId];
    if (!last) return;
    var dx = event.clientX - last[0], dy = event.clientY - last[1];
    if (Math.abs(dx) + Math.abs(dy) < 3 && !moved) return;
    moved = true;
    pointers[event.pointerId] = [event.clientX, event.clientY];
    var now = gapOf(), frame = stage.getBoundingClientRect();
    if (now && gap) { zoom(now / gap, event.clientX - frame.left, event.clientY - frame.top); gap = now; }
    else { view.x += dx; view.y += dy; move(); }
  });
  ["pointerup", "pointercancel"].forEach(function (name) {
    window.addEventListener(name, function (event) { delete pointers[event.pointerId]; gap = gapOf(); });
  });
  picture.addEventListener("wheel", function (event) {
    var frame = stage.getBoundingClientRect();
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });

  // ---------------------------------------------------------------- details
  function section(title, parent) {
    make("h2", { text: title }, parent || side);
  }
  function table(rows, parent, heads, numbers) {
    var holder = make("div", { "class": "scroll" }, parent), result = make("table", {}, holder);
    function line(cells, tag) {
      var row = make("tr", {}, result);
      cells.forEach(function (cell, i) {
        var options = { text: cell };
        if (numbers && i >= numbers) options["class"] = "number";
        if (tag === "th") options.scope = "col";
        make(tag, options, row);
      });
    }
    if (heads) line(heads, "th");
    rows.forEach(function (row) { line(row, "td"); });
    return result;
  }
  function heatMap(heat, title, parent) {
    var bytes = atob(heat.data), canvas = make("canvas", { width: heat.columns, height: heat.rows, role: "img", "aria-label": title }, parent);
    canvas.style.width = Math.max(120, Math.min(340, heat.columns * 10)) + "px";
    canvas.style.height = Math.max(14, Math.min(260, heat.rows * Math.max(4, Math.min(10, 340 / heat.columns)))) + "px";
    function paint() {
      var dark = document.documentElement.getAttribute("data-theme") === "dark", base = dark ? [28, 34, 44] : [250, 250, 250];
      var pixels = canvas.getContext("2d"), image = pixels.createImageData(heat.columns, heat.rows);
      for (var i = 0; i < bytes.length; i++) {
        var level = bytes.charCodeAt(i), part = (level - 128) / 127, size = Math.min(1, Math.abs(part));
        var colour = part > 0 ? (dark ? [255, 150, 90] : [190, 60, 10]) : (dark ? [110, 180, 255] : [20, 80, 170]);
        for (var c = 0; c < 3; c++) image.data[4 * i + c] = level ? base[c] + (colour[c] - base[c]) * size : 255 * (c !== 1);
        image.data[4 * i + 3] = 255;
      }
      pixels.putImageData(image, 0, 0);
    }
    canvas.setAttribute("data-content", heat.data); // so that two canvases of other contents differ
    pictures.push({ canvas: canvas, paint: paint });
    paint();
  }
  function bars(weight, parent) {
    var most = Math.max.apply(null, weight.bars), n = weight.bars.length;
    var chart = draw("svg", { width: 240, height: 56, role: "img", "aria-label": "Histogram of " + weight.name + " from " + figure(weight.low) + " to " + figure(weight.high) });
    weight.bars.forEach(function (count, i) {
      var high = 50 * count / (most || 1);
      draw("rect", { "class": "bar", x: i * 240 / n, y: 52 - high, width: 240 / n - 1, height: high }, chart);
    });
    parent.appendChild(chart);
  }
  // A curve may have fewer points than there are epochs: then the points are evenly spread over them.
  function chart(series, title, parent, best, epochs) {
    var values = [], long = 0, w = 350, h = 136;
    series.forEach(function (each) {
      long = Math.max(long, each[1].length);
      each[1].forEach(function (v) { if (v !== null) values.push(v); });
    });
    if (!values.length) return;
    var low = Math.min.apply(null, values), high = Math.max.apply(null, values), left = 48, floor = h - 18;
    var box = draw("svg", { viewBox: "0 0 " + w + " " + h, width: "100%", role: "img", "aria-label": title + ", from " + figure(low) + " to " + figure(high) });
    function words(text, at, y, anchor) { draw("text", { "class": "small", x: at, y: y, "text-anchor": anchor, text: text }, box); }
    function x(i) { return left + 5 + i * (w - left - 10) / Math.max(1, long - 1); }
    function y(v) { return high > low ? floor - 5 - (v - low) / (high - low) * (floor - 14) : floor / 2 + 2; }
    draw("path", { "class": "axis", d: "M" + left + " 4 V" + floor + " H" + (w - 2), fill: "none" }, box);
    words(tick(high), left - 4, y(high) + 3.5, "end");
    if (high > low) words(tick(low), left - 4, y(low) + 3.5, "end");
    words("1", x(0), h - 6, "middle");
    if (long > 1) words(figure(epochs || long), w - 2, h - 6, "end");
    words(epochs ? "epoch" : "step", (left + w) / 2, h - 6, "middle");
    if (best) draw("path", { "class": "best", d: "M" + x((best - 1) * Math.max(1, long - 1) / Math.max(1, epochs - 1)).toFixed(1) + " 6 V" + floor }, box);
    series.forEach(function (each, i) {
      var d = "", pen = "M";
      each[1].forEach(function (v, j) {
        if (v === null) { pen = "M"; return; }
        d += pen + x(j).toFixed(1) + " " + y(v).toFixed(1);
        pen = "L";
      });
      if (each[1].length === 1) d += "h3";
      var path = draw("path", { "class": each[2] === undefined ? (i ? "second" : "first") : each[3] ? "run dashed" : "run", d: d }, box);
      if (each[2] !== undefined) { path.style.setProperty("--hue", each[2]); draw("title", { text: each[0] }, path); }
    });
    make("h3", { text: title }, parent);
    parent.appendChild(box);
    if (series[0][2] !== undefined || series.length < 2 && !best) return;
    var key = make("div", { "class": "soft" }, parent);
    series.forEach(function (each, i) { make("span", { "class": i ? "key2" : "key1", text: (i ? "- - " : "— ") + each[0] + "  " }, key); });
    if (best) make("span", { text: "┆ best epoch " + best }, key);
  }
  function tick(v) {
    var size = Math.abs(v);
    return v && (size < 0.001 || size >= 100000) ? v.toExponential(1) : String(Number(v.toPrecision(3)));
  }
  // The sum of some numbers over a node and all that is inside it.
  function below(table, path, numbers) {
    var sum = null;
    Object.keys(table || {}).forEach(function (each) {
      if (path !== "" && each !== path && each.indexOf(path + "/") !== 0) return;
      var own = numbers(table[each]);
      sum = sum ? sum.map(function (v, i) { return v + (own[i] || 0); }) : own.map(function (v) { return v || 0; });
    });
    return sum;
  }
  function costsOf(path) { return below((data.costs || {}).nodes, path, function (each) { return each; }); }
  function bytes(count) {
    return count >= 1e6 ? figure(count / 1e6) + " MB" : count >= 1e4 ? figure(count / 1e3) + " KB" : figure(count) + " bytes";
  }
  function workOf(path) {
    var found = data.work || {}, sum = below(found.nodes, path, function (each) { return each.slice(0, 4); });
    if (!sum) return null;
    var unknown = Object.keys(found.nodes).filter(function (each) { return found.nodes[each][4] && (each === path || each.indexOf(path + "/") === 0); });
    var of = found.steps > 1 ? "; for a row of " + found.steps + " steps" : "; for a row" + (found.steps ? " and step" : "");
    return [0, 2].map(function (i) { return figure(sum[i]) + " forward, " + figure(sum[i] + sum[i + 1]) + " with backward" + of; })
      .concat([unknown.map(function (each) { return (each === path ? "" : each + ", ") + found.nodes[each][4]; }).join("; ")]);
  }
  // The parts of the compiled graph that a node is in, or that are in it.
  function partsOf(path) {
    return ((data.costs || {}).parts || []).filter(function (part) {
      return part[1].some(function (each) { return each === path || path.indexOf(each + "/") === 0 || each.indexOf(path + "/") === 0; });
    });
  }
  function details(path) {
    var box = byPath[path], node = own(data.nodes, path) || {}, kind = own(data.classes, box.k) || {};
    pictures = [];
    side.textContent = "";
    var back = make("button", { type: "button", text: "Overview" }, side);
    back.addEventListener("click", leave);
    if (box.g) {
      var opener = make("button", { type: "button", text: opened[path] ? "Close" : "Open" }, side);
      opener.addEventListener("click", function () { toggle(path); details(path); side.querySelectorAll("button")[1].focus(); });
    }
    section(path);
    var rows = [["role", box.r]];
    if (box.k) rows.push(["layer", box.k]);
    if (kind.plugin) rows.push(["from", kind.plugin + " " + (kind.version || "")]);
    else if (kind.module) rows.push(["module", kind.module]);
    if (box.h) rows.push(["output", box.h]);
    if (box.c !== undefined) rows.push(["parameters", box.c === null ? "depend on sizes that are not known" : figure(box.c)]);
    if (box.as) rows.push(["shares weights of", box.as]);
    if (box.m) rows.push(["note", box.m]);
    var held = below(data.nodes, path, function (each) { return [each.bytes || 0]; }), work = workOf(path);
    if (held && held[0]) rows.push(["parameter bytes", bytes(held[0])]);
    if (work) rows.push(["multiply-adds", work[0]], ["elementwise operations", work[1]]);
    if (work && work[2]) rows.push(["not counted", work[2]]);
    var cost = costsOf(path);
    if (cost) {
      rows.push(["node by node", figure(cost[0]) + " ms forward, " + figure(cost[1]) + " ms backward, " + figure(cost[2]) + (cost[2] === 1 ? " call" : " calls")]);
      partsOf(path).forEach(function (part) {
        rows.push([part[0] === path ? "compiled" : "compiled, as part of " + part[0], figure(part[2]) + " ms forward, " + figure(part[3]) + " ms backward"]);
      });
      rows.push(["activations", bytes(cost[3])], ["saved for backward", bytes(cost[4])]);
    }
    table(rows, side);
    if (node.settings) {
      make("h3", { text: "Settings" }, side);
      table(Object.keys(node.settings).map(function (name) { return [name, node.settings[name]]; }), side);
    }
    equations(path);
    recorded(path);
    compiled(path);
    (node.weights || []).forEach(function (weight) {
      make("h3", { text: weight.name + " (" + weight.shape.join(" × ") + ")" }, side);
      if (weight.finite !== undefined) make("div", { text: figure(weight.finite) + " entries are finite" }, side);
      if (weight.low === undefined) return;
      make("div", { "class": "soft", text: "from " + figure(weight.low) + " to " + figure(weight.high) + ", mean " + figure(weight.mean) + ", deviation " + figure(weight.std) }, side);
      heatMap(weight.heat, "Heat map of " + weight.name, side);
      bars(weight, side);
    });
    if (kind.doc) {
      make("h3", { text: "Documentation" }, side);
      graphnetText.prose(kind.doc, side);
    }
  }
  function equations(path) {
    var found = own(data.equations, path);
    if (!found) return;
    make("h3", { text: found.r === undefined ? "Equations" : "Equation, from the documentation" }, side);
    if (found.r !== undefined) {
      make("pre", { text: found.d }, side);
      make("div", { "class": "soft", text: "The rule of this node is not written as equations: " + found.r + "." }, side);
      return;
    }
    var holder = make("div", { "class": "equations" }, side), code = [];
    found.s.forEach(function (section) {
      if (section[0]) { make("div", { "class": "soft", text: section[0] }, holder); code.push("# " + section[0]); }
      section[1].forEach(function (line) {
        if (line[0]) equation(line[0], line[1], holder);
        else make("pre", { text: line[1] }, holder);
        code.push(line[1]);
      });
      section[2].forEach(function (text) { make("div", { "class": "soft", text: text }, holder); });
    });
    (found.w || []).forEach(function (pair, i) {
      var line = make("div", { "class": "soft" }, holder);
      math([pair[0]], line);
      line.appendChild(document.createTextNode(": " + pair[1]));
    });
    var fold = make("details", {}, side);
    make("summary", { text: "as code of numpy" }, fold);
    make("pre", { text: code.join("\n") }, fold);
  }
  function percent(share) { return share > 0 && share < 0.001 ? "less than 0.1\u00a0%" : figure(Number((100 * share).toFixed(1))) + "\u00a0%"; }
  function ends(found) {
    var low = found.gate === "tanh" ? "−0.95" : "0.05";
    return percent(found.below) + " of its values are below " + low + ", " + percent(found.above) + " above 0.95";
  }
  function recorded(path) {
    var found = own(data.recorded, path);
    if (!found) return;
    make("h3", { text: "For " + (data.recorded_of || "the example") + " (" + found.units + " units × " + found.steps + " steps)" }, side);
    if (found.heat) make("div", { "class": "soft", text: "Values from " + figure(found.low) + " to " + figure(found.high) + (found.low < 0 ? "; orange above 0, blue below" : "; the stronger the colour, the larger") }, side);
    if (found.gate) make("div", { "class": "soft", text: "Saturation: " + ends(found) + "." }, side);
    if (found.heat) heatMap(found.heat, "Values by unit and step", side);
    if (found.norms.length > 1) chart([["norm of the gradient", found.norms]], "Gradient by step", side);
    else if (found.norms.length) make("div", { text: "Norm of the gradient: " + figure(found.norms[0]) }, side);
    if (found.norms.length > 1) {
      var faded = fading(path);
      if (faded) make("div", { "class": "soft", text: "At the first step it is " + times(faded.ratio) + " that at the last" + (faded.step ? "; below a thousandth of it up to step " + faded.step + " of " + found.norms.length : "") + "." }, side);
    }
  }
  function times(ratio) { return ratio >= 0.01 && ratio < 1000 ? figure(Number(ratio.toPrecision(3))) + " of" : ratio.toExponential(1).replace("-", "−") + " of"; }
  // How much smaller the error is at the first step that it reaches than at the last one; and up to which step it is
  // below a thousandth of that.
  function fading(path) {
    var found = own(data.recorded, path), norms = found && found.norms, first = 0, step = 0;
    if (!norms || norms.length < 2) return null;
    var last = norms[norms.length - 1];
    while (first < norms.length - 1 && norms[first] === 0) first += 1;
    if (!last || norms[first] === null || !norms[first]) return null;
    norms.forEach(function (norm, i) { if (norm !== null && norm < VANISHED * last && i >= first) step = i + 1; });
    return { path: path, ratio: norms[first] / last, step: step, steps: norms.length };
  }
  function compiled(path) {
    ((data.compiler || {}).parts || []).forEach(function (part) {
      var inside = part.nodes.some(function (end) {
        return path === end || path.indexOf(end + "/") === 0 || end.indexOf(path + "/") === 0;
      });
      if (!inside) return;
      make("h3", { text: "Compiler: " + part.head }, side);
      table(part.lines.map(function (line) { return /^(\S+)\s+(.*)$/.exec(line).slice(1); }), side).className = "names";
    });
  }
  function nodeButton(path, words, list, name) {
    var button = make("button", { type: "button", text: (name || path) + words }, make("li", {}, list));
    button.addEventListener("click", function () { choose(path, true); center(path); });
  }
  function overview() {
    pictures = [];
    side.textContent = "";
    chosen = null;
    if (data.live) {
      section("Run");
      make("p", { text: data.live.words }, side);
      if (data.trouble) make("p", { "class": "soft", text: "The model was not read: " + data.trouble }, side);
      if (data.pending) make("p", { "class": "soft", text: "Being computed from the newest checkpoint: " + data.pending + "." }, side);
      (data.missing || []).forEach(function (each) { make("p", { "class": "soft", text: "Not computed: " + each[0] + ". " + each[1] }, side); });
    }
    if (graphs.length) {
      mark();
      section("Model");
      var nodes = Object.keys(byPath).filter(function (path) { return byPath[path].r === "node"; });
      var total = graphs[0].boxes.reduce(function (sum, box) { return sum + (box.c || 0); }, 0);
      table([["nodes", figure(nodes.length)], ["parameters", figure(total)]], side);
      glance();
      make("p", { "class": "soft", text: "Click a node for details; a plus, a second click or the key o opens it. Keys: arrows move, Enter shows details, Escape leaves them, / searches, + and − zoom, 0 fits." }, side);
    }
    if (data.test && data.test.length) {
      section("Test set");
      table(data.test.map(function (row) { return [row[0], figure(row[1])]; }), side, null, 1);
    }
    if (data.compared) compared(data.compared);
    else if (data.history) curves(data.history);
    if (data.confusion) confusion(data.confusion);
    if (data.worst) worst(data.worst);
    if (data.costs) costs(data.costs);
    if (data.work) work(data.work);
    if (data.recorded) gradients(data.recorded);
    if (data.compiler && data.compiler.missing) { section("Compiler"); make("p", { text: data.compiler.missing }, side); }
    if (data.training) settings(data.training);
    section("Environment");
    table(data.environment || [], side);
  }
  function curves(history) {
    section("Training");
    make("div", { text: history.ending }, side);
    Object.keys(history.curves).forEach(function (name) {
      var each = history.curves[name];
      chart(Object.keys(each).map(function (kind) { return [kind, each[kind]]; }), name.replace(/_/g, " "), side, history.best, history.epochs);
    });
  }
  function hue(i) { return Math.round(210 + i * 137.5) % 360; }
  function compared(found) {
    section("Runs");
    var list = make("ul", { "class": "list" }, side), names = Object.create(null);
    found.runs.forEach(function (run, i) {
      var item = make("li", {}, list);
      make("span", { "class": "swatch", text: "— ", "aria-hidden": "true" }, item).style.setProperty("--hue", hue(i));
      make("strong", { text: run.name }, item);
      var results = run.test.map(function (row) { return "; test " + row[0] + " " + figure(row[1]); }).join("");
      make("div", { "class": "soft", text: run.ending + results }, item);
      Object.keys(run.curves).forEach(function (name) { names[name] = true; });
    });
    make("div", { "class": "soft", text: "Solid: training; dashed: validation." }, side);
    Object.keys(names).forEach(function (name) {
      var series = [];
      found.runs.forEach(function (run, i) {
        var each = run.curves[name] || {};
        Object.keys(each).forEach(function (kind) { series.push([run.name + ", " + kind, each[kind], hue(i), kind === "validation"]); });
      });
      chart(series, name.replace(/_/g, " "), side, 0, Math.max.apply(null, found.runs.map(function (run) { return run.epochs; })));
    });
    make("h3", { text: "Settings that differ" }, side);
    if (!found.differences.length) { make("p", { text: "none" }, side); return; }
    var shown = table(found.differences, side, ["setting"].concat(found.runs.map(function (run) { return run.name; })));
    shown.parentNode.tabIndex = 0;
    shown.parentNode.setAttribute("role", "region");
    shown.parentNode.setAttribute("aria-label", "Settings that differ");
    shown.className = "wide";
  }
  function settings(rows) {
    function words(row) { return [row[0].replace(/_/g, " "), row[1]]; }
    var given = rows.filter(function (row) { return row[2]; }), others = rows.filter(function (row) { return !row[2]; });
    section("Training configuration");
    table(given.map(words), side);
    if (!others.length) return;
    var fold = make("details", {}, side);
    make("summary", { text: "defaults" }, fold);
    table(others.map(words), fold);
  }
  function confusion(found) {
    section("Confusion matrix");
    var errors = pairs(found), most = Math.max.apply(null, [1].concat(found.counts.map(function (row) { return Math.max.apply(null, row); })));
    var shown = table(found.counts.map(function (row, i) {
      return [found.classes[i]].concat(row.map(figure));
    }), side, ["true \\ predicted"].concat(found.classes), 1);
    shown.className = "matrix";
    shown.parentNode.tabIndex = 0;
    shown.parentNode.setAttribute("role", "region");
    shown.parentNode.setAttribute("aria-label", "Confusion matrix");
    Array.prototype.forEach.call(shown.querySelectorAll("td.number"), function (cell, i) {
      var count = found.counts[Math.floor(i / found.classes.length)][i % found.classes.length];
      cell.style.backgroundColor = "rgba(90, 140, 220, " + (0.45 * count / most).toFixed(3) + ")";
    });
    if (errors.length) {
      make("h3", { text: "Most frequent errors" }, side);
      table(errors.slice(0, 5).map(function (e) { return [e[1], e[2], figure(e[0])]; }), side, ["true", "predicted", "count"], 2);
    }
  }
  function worst(found) {
    section("Worst examples");
    make("div", { "class": "soft", text: "The largest losses of " + figure(found.of) + " examples; positions count from 0." }, side);
    found.examples.forEach(function (each) {
      make("h3", { text: "Example " + each.row + ", loss " + figure(each.loss) }, side);
      table(each.answers, side, ["output", "true", "predicted"]);
      each.inputs.forEach(function (input) {
        var words = input.name + " (" + input.shape.join(" × ") + ")";
        if (input.text !== undefined) { make("div", { text: words + ": " + input.text }, side); return; }
        make("div", { "class": "soft", text: words + ", from " + figure(input.low) + " to " + figure(input.high) }, side);
        heatMap(input.heat, "Values of " + input.name, side);
      });
    });
  }
  function costs(found) {
    section("Time by node");
    if (found.missing) { make("p", { text: found.missing }, side); return; }
    var total = 0, list, all = Object.keys(found.nodes).map(function (path) {
      var time = (found.nodes[path][0] || 0) + (found.nodes[path][1] || 0);
      total += time;
      return [path, time];
    });
    var parts = (found.parts || []).map(function (part) { return [part, (part[2] || 0) + (part[3] || 0)]; });
    var whole = parts.reduce(function (sum, each) { return sum + each[1]; }, 0);
    make("div", { "class": "soft", text: found.setting + "; compiled: " + figure(found.compiled[0]) + " ms forward, " + figure(found.compiled[1]) + " ms backward." }, side);
    if (parts.length) {
      make("h3", { text: "As compiled, nodes that run together as one" }, side);
      list = make("ul", { "class": "list" }, side);
      parts.sort(function (a, b) { return b[1] - a[1]; });
      parts.slice(0, 6).forEach(function (each) { nodeButton(each[0][1][0], "  " + figure(each[1]) + " ms, " + figure(100 * each[1] / (whole || 1)) + " %", list, each[0][0]); });
      make("h3", { text: "Node by node, uncompiled" }, side);
    }
    list = make("ul", { "class": "list" }, side);
    all.sort(function (a, b) { return b[1] - a[1]; });
    all.slice(0, 8).forEach(function (each) { nodeButton(each[0], "  " + figure(each[1]) + " ms, " + figure(100 * each[1] / (total || 1)) + " %", list); });
  }
  function work(found) {
    section("Multiply-adds by node");
    if (found.missing) { make("p", { text: found.missing }, side); return; }
    var total = below(found.nodes, "", function (each) { return each.slice(0, 4); }) || [0, 0, 0, 0];
    make("div", { "class": "soft", text: "For a row" + (found.steps > 1 ? " of " + found.steps + " steps" : " and a step") + ", counted in the rules of the nodes: products of matrices, and all other operations on numbers." }, side);
    var rows = [["all", figure(total[0]), figure(total[0] + total[1]), figure(total[2] + total[3])]];
    var paths = Object.keys(found.nodes).filter(function (path) { return found.nodes[path][0] + found.nodes[path][1] > 0; });
    paths.sort(function (a, b) { return found.nodes[b][0] + found.nodes[b][1] - found.nodes[a][0] - found.nodes[a][1]; });
    paths.slice(0, 12).forEach(function (path) { var own = found.nodes[path]; rows.push([path, figure(own[0]), figure(own[0] + own[1]), figure(own[2] + own[3])]); });
    var shown = table(rows, side, ["node", "forward", "with backward", "elementwise"], 1).parentNode;
    shown.tabIndex = 0;
    shown.setAttribute("role", "region");
    shown.setAttribute("aria-label", "Multiply-adds by node");
  }
  function gradients(found) {
    var gates = saturation();
    if (gates.length) {
      section("Saturated gates");
      make("div", { "class": "soft", text: "For " + (data.recorded_of || "the example") + ": the share of values nearer than 0.05 to an end of the range, of nodes that compute σ (0 to 1) or tanh (−1 to 1)." }, side);
      var list = make("ul", { "class": "list" }, side);
      gates.slice(0, 6).forEach(function (path) { nodeButton(path, "  " + percent(found[path].saturated), list); });
    }
    var fades = vanishing();
    if (!fades.length) return;
    section("Gradient from the last step to the first");
    make("div", { "class": "soft", text: "The norm at the first step divided by that at the last: a small number is a vanishing gradient." }, side);
    var second = make("ul", { "class": "list" }, side);
    fades.slice(0, 6).forEach(function (each) { nodeButton(each.path, "  " + figure(each.ratio), second); });
  }

  // ---------------------------------------------------------------- findings, in words
  // A gate is called saturated from the share SATURATED on, and a gradient vanished below the ratio VANISHED.
  function saturation() {
    var found = data.recorded || {}, gates = Object.keys(found).filter(function (path) { return found[path].gate; });
    return gates.sort(function (a, b) { return found[b].saturated - found[a].saturated; });
  }
  function vanishing() {
    var all = Object.keys(data.recorded || {}).map(fading).filter(Boolean);
    return all.sort(function (a, b) { return a.ratio - b.ratio; });
  }
  // The same for each Scan, or other graph: the node in the middle of its nodes, in the order of their ratios.
  function fadingGraphs() {
    var by = Object.create(null);
    vanishing().forEach(function (each) {
      var holder = each.path.slice(0, Math.max(0, each.path.lastIndexOf("/")));
      (by[holder] = by[holder] || []).push(each);
    });
    return Object.keys(by).map(function (holder) {
      var all = by[holder], middle = all[Math.floor((all.length - 1) / 2)];
      return { path: holder && all.length > 1 ? holder : all[0].path, ratio: middle.ratio, step: middle.step, steps: middle.steps, least: all[0], count: all.length };
    }).sort(function (a, b) { return a.ratio - b.ratio; });
  }
  // Each finding: what it answers, words, perhaps a node, and words after it.
  function findings() {
    var all = [], found = data.recorded || {}, gates = saturation(), fades = fadingGraphs(), of = data.recorded_of || "the example";
    if (gates.length) {
      var full = gates.filter(function (path) { return found[path].saturated >= SATURATED; }), top = gates[0];
      var limit = "a gate is called saturated from " + percent(SATURATED) + " on";
      if (!full.length) all.push(["Saturated gates", "none; most of all ", top, ": " + ends(found[top]) + " (" + limit + ", for " + of + ")"]);
      else full.slice(0, 3).forEach(function (path, i) {
        var more = i === Math.min(full.length, 3) - 1 ? (full.length > 3 ? "; and " + (full.length - 3) + " more" : "") + " (" + limit + ", for " + of + ")" : "";
        all.push([i ? "" : full.length > 1 ? "Saturated gates" : "Saturated gate", "", path, ": " + ends(found[path]) + more]);
      });
    }
    if (fades.length) {
      var least = fades[0], most = fades[fades.length - 1];
      var middle = function (each) { return (each.count > 1 ? " (median of its " + each.count + " nodes, least at " + each.least.path.replace(each.path + "/", "") + ")" : "") + "; " + each.steps + " steps, for " + of; };
      if (least.ratio < VANISHED) all.push(["Vanishing gradient", "in ", least.path, ": at the first step its norm is " + times(least.ratio) + " that at the last, and below 1/1000 of it up to step " + least.step + middle(least)]);
      else if (most.ratio > 1 / VANISHED) all.push(["Exploding gradient", "in ", most.path, ": at the first step its norm is " + times(most.ratio) + " that at the last" + middle(most)]);
      else all.push(["Gradient over time", "does not vanish; least of all in ", least.path, ": at the first step its norm is " + times(least.ratio) + " that at the last (below 1/1000 it is said to vanish)" + middle(least)]);
    }
    slow(all);
    confused(all);
    origins(all);
    if (data.missing_data) all.push(["Not known", "what the run's data would tell: " + data.missing_data]);
    else if (graphs.length && !data.recorded && !data.live) all.push(["Not known", "gates and gradients; graphnet report --example FILE shows them"]);
    return all;
  }
  function slow(all) {
    var costs = data.costs || {}, parts = (costs.parts || []).slice(), nodes = costs.nodes || {}, time = function (each) { return (each[2] || 0) + (each[3] || 0); };
    var whole = parts.reduce(function (sum, each) { return sum + time(each); }, 0);
    parts.sort(function (a, b) { return time(b) - time(a); });
    if (parts.length) all.push(["Slowest, compiled", "", parts[0][1][0], (parts[0][1].length > 1 ? ", with " + (parts[0][1].length - 1) + " nodes that run together with it," : "") + ": " + percent(time(parts[0]) / (whole || 1)) + " of the time (" + figure(time(parts[0])) + " of " + figure(whole) + " ms)"]);
    var paths = Object.keys(nodes), total = 0;
    paths.forEach(function (path) { total += (nodes[path][0] || 0) + (nodes[path][1] || 0); });
    paths.sort(function (a, b) { return (nodes[b][0] || 0) + (nodes[b][1] || 0) - (nodes[a][0] || 0) - (nodes[a][1] || 0); });
    if (paths.length) all.push(["Slowest single node", "", paths[0], ": " + percent(((nodes[paths[0]][0] || 0) + (nodes[paths[0]][1] || 0)) / (total || 1)) + " of the time node by node, uncompiled"]);
  }
  function pairs(found) {
    var errors = [];
    found.counts.forEach(function (row, i) {
      var total = row.reduce(function (sum, count) { return sum + count; }, 0);
      row.forEach(function (count, j) { if (i !== j && count > 0) errors.push([count, found.classes[i], found.classes[j], total]); });
    });
    return errors.sort(function (a, b) { return b[0] - a[0]; });
  }
  function confused(all) {
    if (!data.confusion) return;
    var errors = pairs(data.confusion), sum = 0, right = 0;
    data.confusion.counts.forEach(function (row, i) { row.forEach(function (count, j) { sum += count; if (i === j) right += count; }); });
    if (!errors.length) { all.push(["Confused classes", "none: all " + figure(sum) + " test examples are right"]); return; }
    var worst = errors[0], next = errors[1];
    all.push(["Confused classes", worst[1] + " is most often taken for " + worst[2] + ": " + figure(worst[0]) + " of " + figure(worst[3]) + " examples" + (next ? "; then " + next[1] + " for " + next[2] + ", " + figure(next[0]) + " of " + figure(next[3]) : "") + ". " + figure(right) + " of " + figure(sum) + " are right"]);
  }
  function origins(all) {
    var kinds = data.classes || {}, by = Object.create(null);
    Object.keys(byPath).forEach(function (path) {
      var kind = byPath[path].k, from = own(kinds, kind);
      if (!kind || !from) return;
      var name = from.plugin ? from.plugin + (from.version ? " " + from.version : "") : "no plugin: module " + from.module;
      by[name] = by[name] || { first: path, kinds: [], count: 0 };
      by[name].count += 1;
      if (by[name].kinds.indexOf(kind) < 0) by[name].kinds.push(kind);
    });
    function last(name) { return name.indexOf("graphnet-framework") === 0; }
    Object.keys(by).sort(function (a, b) { return last(a) - last(b) || (a < b ? -1 : 1); }).forEach(function (name, i) {
      var each = by[name], shown = each.kinds.slice(0, 5).join(", ") + (each.kinds.length > 5 ? " and " + (each.kinds.length - 5) + " more" : "");
      all.push([i ? "" : "Plugins of the layers", name + " brought " + shown + ": ", each.first, each.count > 1 ? " and " + (each.count - 1) + " other nodes" : ""]);
    });
  }
  function glance() {
    var all = findings();
    if (!all.length) return;
    section("At a glance");
    var holder = make("table", { "class": "glance" }, side);
    all.forEach(function (each, i) {
      var row = make("tr", {}, holder), lines = 1;
      while (all[i + lines] && !all[i + lines][0]) lines += 1;
      if (each[0]) make("th", { scope: lines > 1 ? "rowgroup" : "row", rowspan: lines, text: each[0] }, row);
      var cell = make("td", { text: each[1] }, row);
      if (each[2] === undefined) return;
      var button = make("button", { type: "button", "class": "inline", text: each[2] }, cell);
      button.addEventListener("click", function () { choose(each[2], true); center(each[2]); });
      if (each[3]) cell.appendChild(document.createTextNode(each[3]));
    });
  }

  // ---------------------------------------------------------------- search, start
  var results = make("ul", { id: "results", "class": "list", "aria-label": "Search results" }, stage);
  function find() {
    var words = search.value.trim().toLowerCase(), count = 0;
    results.textContent = "";
    if (!words) return;
    Object.keys(byPath).forEach(function (path) {
      var box = byPath[path];
      if ((path + " " + (box.k || "")).toLowerCase().indexOf(words) < 0) return;
      count += 1;
      if (count <= 40) nodeButton(path, box.k ? "  " + box.k : "", results);
    });
    if (!count) make("li", { text: "nothing found" }, results);
    if (count > 40) make("li", { text: "and " + (count - 40) + " more" }, results);
  }
  search.addEventListener("input", find);
  search.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && results.querySelector("button")) { results.querySelector("button").click(); search.value = ""; find(); }
    if (event.key === "Escape") { search.value = ""; find(); }
    if (event.key === "ArrowDown" && results.querySelector("button")) { results.querySelector("button").focus(); event.preventDefault(); }
  });
  results.addEventListener("keydown", function (event) {
    var all = Array.prototype.slice.call(results.querySelectorAll("button")), at = all.indexOf(document.activeElement);
    if (event.key === "ArrowDown" && all[at + 1]) all[at + 1].focus();
    else if (event.key === "ArrowUp") (all[at - 1] || search).focus();
    else if (event.key === "Escape") { search.value = ""; find(); search.focus(); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  results.addEventListener("click", function (event) {
    if (event.target.tagName === "BUTTON") { search.value = ""; find(); }
  });
  setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
  if (graphs.length) {
    var tools = make("div", { id: "tools" }, stage);
    [["+", "Zoom in", function () { zoom(1.25); }], ["−", "Zoom out", function () { zoom(0.8); }], ["Fit", "Fit the graph", fit]].forEach(function (tool) {
      make("button", { type: "button", text: tool[0], "aria-label": tool[1] }, tools).addEventListener("click", tool[2]);
    });
    render();
    fit();
    stage.insertBefore(picture, stage.firstChild); // now that its scale is known: letters are placed once
    window.addEventListener("hashchange", fromAddress);
  }
  // Print is light and shows all of the graph, whatever the screen shows.
  var dark = false;
  window.addEventListener("beforeprint", function () {
    dark = document.documentElement.getAttribute("data-theme") === "dark";
    if (dark) setTheme(false);
    if (!graphs.length) return;
    picture.setAttribute("viewBox", [-10, -10, whole.w + 20, whole.h + 20].join(" "));
    world.removeAttribute("transform");
  });
  window.addEventListener("afterprint", function () {
    if (dark) setTheme(true);
    picture.removeAttribute("viewBox");
    move();
  });
  overview();
  if (graphs.length) fromAddress();
  document.documentElement.setAttribute("data-ready", "true");
  // New values replace those of the same name. The picture stays; the details are written beside those that are shown, and
  // only what differs is replaced: selected text, focus, folds and places of the rest stay.
  function refresh() {
    var shown = side, top = side.scrollTop, before = pictures, held = focusable(shown).indexOf(document.activeElement);
    side = make("aside");
    pictures = [];
    if (chosen) details(chosen); else overview();
    var fresh = side;
    side = shown;
    merge(shown, fresh);
    pictures = before.concat(pictures).filter(function (each) { return each.canvas.isConnected; });
    if (held >= 0 && document.activeElement === document.body && focusable(shown)[held]) focusable(shown)[held].focus({ preventScroll: true });
    side.scrollTop = top;
  }
  function focusable(holder) { return Array.prototype.slice.call(holder.querySelectorAll("button, summary, [tabindex]")); }
  function merge(shown, fresh) {
    var old = Array.prototype.slice.call(shown.children), next = Array.prototype.slice.call(fresh.children);
    next.forEach(function (each, i) {
      var present = old[i];
      if (!present) { shown.appendChild(each); return; }
      if (present.tagName === "DETAILS" && each.tagName === "DETAILS") each.open = present.open;
      if (present.isEqualNode(each)) return;
      var sideways = present.scrollLeft;
      shown.replaceChild(each, present);
      each.scrollLeft = sideways;
    });
    old.slice(next.length).forEach(function (each) { shown.removeChild(each); });
  }
  return function (fresh) {
    Object.keys(fresh).forEach(function (name) { if (fresh[name] === null) delete data[name]; else data[name] = fresh[name]; });
    refresh();
  };
  }
}());
