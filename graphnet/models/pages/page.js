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
  function figure(value) {
    if (value === null || value === undefined) return "not finite";
    if (typeof value !== "number") return String(value);
    return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4)));
  }

  // ---------------------------------------------------------------- frame
  var header = make("header", {}, document.body);
  make("h1", { text: data.title, title: data.title }, header);
  var search = make("input", { id: "search", type: "search", placeholder: "Search (/)", "aria-label": "Search nodes by name or layer" });
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
  function costsOf(path) {
    var costs = data.costs && data.costs.nodes;
    if (!costs) return null;
    var sum = [0, 0, 0, 0], found = false;
    Object.keys(costs).forEach(function (each) {
      if (each === path || each.indexOf(path + "/") === 0) {
        found = true;
        costs[each].forEach(function (v, i) { sum[i] += v || 0; });
      }
    });
    return found ? sum : null;
  }
  function details(path) {
    var box = byPath[path], node = (data.nodes || {})[path] || {}, kind = (data.classes || {})[box.k] || {};
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
    var cost = costsOf(path);
    if (cost) {
      rows.push(["forward", figure(cost[0]) + " ms"], ["backward", figure(cost[1]) + " ms"], ["calls", figure(cost[2])], ["bytes", figure(cost[3])]);
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
    var found = (data.equations || {})[path];
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
  function recorded(path) {
    var found = (data.recorded || {})[path];
    if (!found || !found.heat) return;
    make("h3", { text: "Values for the example (" + found.units + " units × " + found.steps + " steps)" }, side);
    var words = "from " + figure(found.low) + " to " + figure(found.high) + (found.low < 0 ? "; orange above 0, blue below" : "; the stronger the colour, the larger");
    if (found.saturated !== null) words += "; " + figure(100 * found.saturated) + " % below 0.05 or above 0.95";
    make("div", { "class": "soft", text: words }, side);
    heatMap(found.heat, "Values by unit and step", side);
    if (found.norms.length > 1) chart([["norm of the gradient", found.norms]], "Gradient by step", side);
    else if (found.norms.length) make("div", { text: "Norm of the gradient: " + figure(found.norms[0]) }, side);
  }
  function compiled(path) {
    ((data.compiler || {}).parts || []).forEach(function (part) {
      var ends = part.path.split(" to "), inside = ends.some(function (end) {
        return path === end || path.indexOf(end + "/") === 0 || end.indexOf(path + "/") === 0;
      });
      if (!inside) return;
      make("h3", { text: "Compiler: " + part.head }, side);
      table(part.lines.map(function (line) { return /^(\S+)\s+(.*)$/.exec(line).slice(1); }), side).className = "names";
    });
  }
  function nodeButton(path, words, list) {
    var button = make("button", { type: "button", text: path + words }, make("li", {}, list));
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
    var errors = [], most = Math.max.apply(null, [1].concat(found.counts.map(function (row) { return Math.max.apply(null, row); })));
    var shown = table(found.counts.map(function (row, i) {
      row.forEach(function (count, j) { if (i !== j && count > 0) errors.push([count, found.classes[i], found.classes[j]]); });
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
    errors.sort(function (a, b) { return b[0] - a[0]; });
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
    make("div", { "class": "soft", text: found.setting + ", node by node; compiled: " + figure(found.compiled[0]) + " ms forward, " + figure(found.compiled[1]) + " ms backward" }, side);
    var total = 0, list = make("ul", { "class": "list" }, side), all = Object.keys(found.nodes).map(function (path) {
      var time = (found.nodes[path][0] || 0) + (found.nodes[path][1] || 0);
      total += time;
      return [path, time];
    });
    all.sort(function (a, b) { return b[1] - a[1]; });
    all.slice(0, 8).forEach(function (each) { nodeButton(each[0], "  " + figure(each[1]) + " ms, " + figure(100 * each[1] / (total || 1)) + " %", list); });
  }
  function gradients(found) {
    var gates = Object.keys(found).filter(function (path) { return found[path].saturated > 0; });
    gates.sort(function (a, b) { return found[b].saturated - found[a].saturated; });
    if (gates.length) {
      section("Saturated nodes");
      make("div", { "class": "soft", text: "The share of values below 0.05 or above 0.95, of nodes with values from 0 to 1." }, side);
      var list = make("ul", { "class": "list" }, side);
      gates.slice(0, 6).forEach(function (path) { nodeButton(path, "  " + figure(100 * found[path].saturated) + " %", list); });
    }
    var fading = Object.keys(found).filter(function (path) { return found[path].norms && found[path].norms.length > 1; }).map(function (path) {
      var norms = found[path].norms, last = norms[norms.length - 1];
      return [path, last ? norms[0] / last : Infinity];
    }).filter(function (each) { return isFinite(each[1]); });
    fading.sort(function (a, b) { return a[1] - b[1]; });
    if (!fading.length) return;
    section("Gradient from the last step to the first");
    make("div", { "class": "soft", text: "The norm at the first step divided by that at the last: a small number is a vanishing gradient." }, side);
    var second = make("ul", { "class": "list" }, side);
    fading.slice(0, 6).forEach(function (each) { nodeButton(each[0], "  " + figure(each[1]), second); });
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
