// Part of graphnet, under the MIT License.
"use strict";
(function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var SVG = "http://www.w3.org/2000/svg", root = document.documentElement;
  var boxes = data.boxes, lines = data.lines, nodes = data.order.length, T = data.values.length;

  function fillIn(node, options, parent) {
    Object.keys(options || {}).forEach(function (key) {
      if (key === "text") node.textContent = options[key]; else node.setAttribute(key, options[key]);
    });
    if (parent) parent.appendChild(node);
    return node;
  }
  function make(tag, options, parent) { return fillIn(document.createElement(tag), options, parent); }
  function draw(tag, options, parent) { return fillIn(document.createElementNS(SVG, tag), options, parent); }
  function own(object, key) { return Object.prototype.hasOwnProperty.call(object, key) ? object[key] : undefined; }
  function clear(node) { while (node.firstChild) node.removeChild(node.firstChild); }
  function short(value) {
    if (value === null) return "∞/NaN";
    var size = Math.abs(value);
    var text = value === 0 ? "0" : size >= 1000 || size < 0.001 ? value.toExponential(0) : value.toPrecision(size < 1 ? 2 : 3);
    return text.replace("-", "−").replace("e+", "e");
  }
  function figure(value) { return value === null ? "not finite" : String(value).replace("-", "−"); }

  // ---------------------------------------------------------------- when each value is computed
  // A frame is (direction, step, node): node −1 shows what the step reads, node `nodes` what it returns.
  var times = [], frames = [], computed = Object.create(null), turn = [], t, k;
  for (t = 0; t < T; t++) times.push(data.reverse ? T - 1 - t : t);
  times.forEach(function (time) { for (k = -1; k <= nodes; k++) frames.push({ back: false, t: time, k: k }); });
  times.slice().reverse().forEach(function (time) { for (k = nodes; k >= -1; k--) frames.push({ back: true, t: time, k: k }); });
  data.order.forEach(function (each, i) { turn[each.box] = i; each.writes.forEach(function (slot) { computed[slot] = i; }); });
  boxes.forEach(function (box, i) {
    if (turn[i] !== undefined) return;
    var inner = data.order.filter(function (each) { return boxes[each.box].p.indexOf(box.p + "/") === 0; });
    turn[i] = inner.length ? Math.min.apply(null, inner.map(function (each) { return turn[each.box]; })) : null;
  });
  function when(slot) { return computed[slot] === undefined ? -1 : computed[slot]; }
  function present(line, frame) {
    if (!frame.back) return when(line.v) <= frame.k;
    var end = boxes[line.b];
    if (end.r !== "node" && end.outer) return true;
    return (turn[line.b] === null ? when(line.v) : turn[line.b]) >= frame.k;
  }
  var reach = Object.create(null), errorReach = Object.create(null);
  function widest(table, slot, list) {
    list.forEach(function (v) { if (v !== null) table[slot] = Math.max(table[slot] || 0, Math.abs(v)); });
  }
  [[data.values, reach], [data.errors, errorReach]].forEach(function (pair) {
    pair[0].forEach(function (step) { Object.keys(step).forEach(function (slot) { widest(pair[1], slot, step[slot]); }); });
  });
  data.parts.forEach(function (step) {
    step.forEach(function (part, i) { if (part) widest(errorReach, lines[i].v, part); });
  });

  // ---------------------------------------------------------------- frame of the page
  var header = make("header", {}, document.body);
  make("h1", { text: data.title, title: data.title }, header);
  var theme = make("button", { id: "theme", type: "button", text: "Dark", "aria-pressed": "false" }, header);
  if (window.top !== window) { // inside another page, as in the manual
    var alone = make("a", { id: "alone", href: location.href, target: "_blank", rel: "noopener", text: "The page alone" }, header);
    alone.addEventListener("click", function () { alone.href = location.href; });
  }
  var bar = make("section", { id: "steps", "aria-label": "Steps" }, document.body);
  var where = make("div", { id: "where", "aria-live": "polite" }, bar);
  function button(text, name, action, id) {
    var made = make("button", { type: "button", text: text, "aria-label": name, title: name }, bar);
    if (id) made.id = id;
    made.addEventListener("click", action);
    return made;
  }
  button("|‹", "To the beginning (Home)", function () { go(0); }, "first");
  button("«", "Previous time step (Shift and left arrow)", function () { leap(-1); }, "step-back");
  button("‹", "Previous node (left arrow)", function () { go(at - 1); }, "node-back");
  button("›", "Next node (right arrow)", function () { go(at + 1); }, "node-on");
  button("»", "Next time step (Shift and right arrow)", function () { leap(1); }, "step-on");
  var player = button("Play", "Play or pause (space)", play, "play");
  var turnAround = button("Backward", "Backward or forward: the errors of the same node, or its values (b)", around, "around");
  var slider = make("input", { type: "range", min: 0, max: frames.length - 1, value: 0, step: 1, "aria-label": "Position" }, bar);
  slider.addEventListener("input", function () { stop(); go(Number(slider.value)); });
  button("−", "Zoom out", function () { zoom(0.8); });
  button("+", "Zoom in", function () { zoom(1.25); });
  var main = make("main", {}, document.body), stage = make("div", { id: "stage" }, main);
  var scroll = make("div", { id: "scroll", tabindex: 0, role: "region", "aria-label": "Picture of the cell" }, stage);
  var side = make("aside", { "aria-label": "Details", tabindex: 0 }, main);

  // ---------------------------------------------------------------- picture
  var M = 12, scale = 1, wide = data.w + 2 * M, high = data.h + 2 * M;
  var picture = draw("svg", { viewBox: "0 0 " + wide + " " + high, role: "group", "aria-label": "The graph of one step" }, scroll);
  var marker = draw("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7.5, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto", markerUnits: "userSpaceOnUse" }, draw("defs", {}, picture));
  draw("path", { d: "M0 .8 L8 4 L0 7.2 z", "class": "arrow" }, marker);
  var world = draw("g", { transform: "translate(" + M + " " + M + ")" }, picture);
  var groups = boxes.map(function (box, i) {
    var names = "box " + box.r.split(" ")[0] + (box.c !== undefined ? " weights" : "") + (box.open ? " open" : "");
    var group = draw("g", { "class": names, transform: "translate(" + box.at[0] + " " + box.at[1] + ")" }, world);
    draw("rect", { width: box.at[2], height: box.at[3], rx: box.r === "node" ? 5 : box.at[3] / 2 }, group);
    if (box.open) {
      var head = draw("text", { "class": "name", x: 14, y: 18, text: box.n + " " }, group);
      draw("tspan", { "class": "small", "font-weight": "normal", dx: 6, text: box.s }, head);
      return group;
    }
    draw("text", { "class": "name", x: box.at[2] / 2, y: box.s ? 17 : box.at[3] / 2 + 4, "text-anchor": "middle", text: box.s ? box.n + " " : box.n }, group);
    if (box.s) draw("text", { "class": "small", x: box.at[2] / 2, y: 32, "text-anchor": "middle", text: box.s }, group);
    fillIn(group, { tabindex: 0, role: "button", "aria-label": box.s ? box.n + " " + box.s : box.n });
    group.addEventListener("click", function () { choose(i); });
    group.addEventListener("keydown", function (event) {
      if (event.key === "Enter") { choose(i); event.preventDefault(); }
    });
    return group;
  });
  var edges = lines.map(function (line) {
    var d = "M";
    for (var i = 0; i < line.pts.length; i += 2) d += (i ? " L" : "") + line.pts[i] + " " + line.pts[i + 1];
    return draw("path", { "class": "edge", "marker-end": "url(#arrow)", d: d }, world);
  });
  var labels = lines.map(function () { return draw("g", {}, world); });
  function zoom(factor) {
    scale = Math.min(4, Math.max(0.15, scale * factor));
    fillIn(picture, { width: Math.round(wide * scale), height: Math.round(high * scale) });
  }
  function colour(value, most) {
    var dark = root.getAttribute("data-theme") === "dark", base = dark ? [28, 34, 44] : [250, 250, 250];
    if (value === null) return "rgb(255,0,255)";
    var share = Math.min(1, Math.abs(value) / (most || 1)), end = value > 0 ? (dark ? [255, 150, 90] : [190, 60, 10]) : (dark ? [110, 180, 255] : [20, 80, 170]);
    return "rgb(" + base.map(function (c, i) { return Math.round(c + (end[i] - c) * share); }).join(",") + ")";
  }
  // A value that is a matrix has rows and columns, others one row.
  function grid(slot, list) { return own(data.grids, slot) || [1, list.length]; }
  function rowsOf(list, size, words, between) {
    var rows = [];
    for (var i = 0; i < size[0]; i++) rows.push(list.slice(i * size[1], (i + 1) * size[1]).map(words).join(between));
    return rows;
  }
  function strip(list, size, most, x, y, w, h, parent) {
    var wide = w / size[1], high = h / size[0];
    list.forEach(function (value, i) {
      var left = x + i % size[1] * wide, top = y + Math.floor(i / size[1]) * high;
      draw("rect", { x: left.toFixed(2), y: top.toFixed(2), width: (wide + 0.05).toFixed(2), height: (high + 0.05).toFixed(2), fill: colour(value, most), "shape-rendering": "crispEdges" }, parent);
    });
    draw("rect", { "class": "frame", x: x, y: y, width: w, height: h }, parent);
  }
  function label(i, list, most, size) {
    var group = labels[i], line = lines[i];
    clear(group);
    if (!line.at || !list) return;
    var shape = grid(line.v, list), rows = shape[0], x = line.at[0], y = line.at[1], lean = line.lean || 0;
    function nearer(wide) { if (lean) x += (lean > 0 ? 1 : -1) * Math.max(0, Math.abs(lean) - wide / 2); }
    if (size > 4) {
      var cell = Math.min(78 / shape[1], 10 * Math.min(rows, 4) / rows), wide = rows > 1 ? cell * shape[1] : 78, high = rows > 1 ? cell * rows : 10;
      nearer(wide);
      draw("rect", { "class": "behind", x: x - wide / 2 - 1, y: y - high / 2 - 1, width: wide + 2, height: high + 2 }, group);
      strip(list, shape, most, x - wide / 2, y - high / 2, wide, high, group);
    } else {
      var texts = rowsOf(list, shape, short, " "), room = 4 + 6.2 * Math.max.apply(null, texts.map(function (text) { return text.length; }));
      nearer(room);
      draw("rect", { "class": "behind", x: x - room / 2, y: y - 5 * rows - 1, width: room, height: 10 * rows + 2 }, group);
      texts.forEach(function (text, i) {
        draw("text", { "class": "small number", x: x, y: y + 3.5 + 10 * (i - (rows - 1) / 2), "text-anchor": "middle", text: text }, group);
      });
    }
    draw("title", { text: rowsOf(list, shape, figure, ", ").join("\n") }, group);
  }

  // ---------------------------------------------------------------- going through the frames
  var at = 0, chosen = null, timer = null;
  function go(position) {
    at = Math.max(0, Math.min(frames.length - 1, position));
    if (at === frames.length - 1) stop();
    chosen = null;
    show();
    var frame = frames[at];
    try { history.replaceState(null, "", "#" + (frame.back ? "backward" : "forward") + "-" + (frame.t + 1) + "-" + (frame.k + 1)); } catch (error) { /* a viewer without addresses */ }
  }
  function leap(direction) {
    var round = nodes + 2, first = Math.floor(at / round) * round;
    stop();
    go(direction > 0 ? first + round : at > first ? first : first - round);
  }
  function around() {
    var frame = frames[at];
    stop();
    go(frames.findIndex(function (each) { return each.back !== frame.back && each.t === frame.t && each.k === frame.k; }));
  }
  function stop() {
    if (timer !== null) clearInterval(timer);
    timer = null;
    player.textContent = "Play";
  }
  function play() {
    if (timer !== null) { stop(); return; }
    if (at === frames.length - 1) go(0);
    player.textContent = "Pause";
    timer = setInterval(function () { go(at + 1); }, 700);
  }
  function choose(i) { stop(); chosen = i; show(); }
  function fromAddress() {
    var found = /^#(forward|backward)-(\d+)-(\d+)$/.exec(location.hash);
    if (!found) return false;
    var place = frames.findIndex(function (each) {
      return each.back === (found[1] === "backward") && each.t === found[2] - 1 && each.k === found[3] - 1;
    });
    if (place >= 0) go(place);
    return place >= 0;
  }
  document.addEventListener("keydown", function (event) {
    var onSlider = event.target === slider;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if ((event.key === "ArrowRight" || event.key === "ArrowLeft") && !(onSlider && !event.shiftKey)) {
      var way = event.key === "ArrowRight" ? 1 : -1;
      if (event.shiftKey) leap(way); else { stop(); go(at + way); }
    } else if (event.key === "Home" && !onSlider) { stop(); go(0); }
    else if (event.key === "End" && !onSlider) go(frames.length - 1);
    else if (event.key === " " && event.target.tagName !== "BUTTON") play();
    else if (event.key === "b") around();
    else if (event.key === "Escape" && chosen !== null) { chosen = null; show(); }
    else if (event.key === "+") zoom(1.25);
    else if (event.key === "-") zoom(0.8);
    else return;
    event.preventDefault();
  });

  // ---------------------------------------------------------------- one frame
  function describe(frame) {
    var n = nodes, head = "Step " + (frame.t + 1) + " of " + T + ", " + (frame.back ? "backward" : "forward") + ": ";
    if (frame.k >= 0 && frame.k < n) return head + boxes[data.order[frame.k].box].name + ", node " + (frame.k + 1) + " of " + n;
    if (!frame.back) return head + (frame.k < 0 ? "what the step reads" : "its results; the states go on to the next step");
    return head + (frame.k === n ? "the errors of its results, and those of the states from the step after it" : "the errors of what it read; those of the states go on to the step before it");
  }
  function show() {
    var frame = frames[at], current = frame.k >= 0 && frame.k < nodes ? data.order[frame.k].box : null, first = null;
    picture.setAttribute("class", frame.back ? "back" : "");
    where.textContent = describe(frame);
    slider.value = at;
    slider.setAttribute("aria-valuetext", where.textContent);
    turnAround.textContent = frame.back ? "Forward" : "Backward";
    groups.forEach(function (group, i) {
      var box = boxes[i], ends = box.outer && (frame.k < 0 ? box.before : frame.k === nodes && !box.before);
      var done = turn[i] !== null && (frame.back ? turn[i] >= frame.k : turn[i] <= frame.k);
      if (ends && first === null) first = i;
      group.classList.toggle("now", !box.open && (i === current || Boolean(ends)));
      group.classList.toggle("past", !box.open && done);
      group.classList.toggle("chosen", chosen === i);
    });
    lines.forEach(function (line, i) {
      var there = line.v !== null && present(line, frame), list = frame.back ? data.parts[frame.t][i] : own(data.values[frame.t], line.v);
      var size = (own(data.shapes, line.v) || []).reduce(function (a, b) { return a * b; }, 1);
      edges[i].classList.toggle("idle", !there);
      edges[i].classList.toggle("read", there && (current === null ? false : line.b === current || (frame.back ? false : line.a === current)));
      label(i, there ? list : null, (frame.back ? errorReach : reach)[line.v], size);
    });
    details(chosen === null ? current : chosen, frame);
    if (chosen === null) follow(current === null ? first : current);
  }
  function follow(i) {
    if (i === null) return;
    var box = boxes[i], frame = scroll.getBoundingClientRect(), x = (box.at[0] + M) * scale, y = (box.at[1] + M) * scale;
    if (x < scroll.scrollLeft || x + box.at[2] * scale > scroll.scrollLeft + frame.width) scroll.scrollLeft = x + box.at[2] * scale / 2 - frame.width / 2;
    if (y - 60 < scroll.scrollTop || y + 90 > scroll.scrollTop + frame.height) scroll.scrollTop = y - frame.height / 2;
  }

  // ---------------------------------------------------------------- details
  function numbers(name, list, most, slot, parent) {
    var shape = own(data.shapes, slot) || [], size = shape.reduce(function (a, b) { return a * b; }, 1);
    make("h3", { text: name + (shape.length > 1 ? "  (" + shape.slice(1).join(" × ") + ")" : "") }, parent);
    if (!list) { make("div", { "class": "soft", text: "none" }, parent); return; }
    var cells = grid(slot, list), side = Math.min(339 / cells[1], 24), wide = cells[0] > 1 ? side * cells[1] : 339, high = cells[0] > 1 ? side * cells[0] : 13;
    var chart = draw("svg", { viewBox: "0 0 340 " + (high + 1), width: "100%", role: "img", "aria-label": name + ", as colours" }, parent);
    strip(list, cells, most, 0.5, 0.5, wide, high, chart);
    make("div", { "class": "values", text: rowsOf(list, cells, figure, ", ").join("\n") }, parent);
    if (list.length < size) make("div", { "class": "soft", text: "Means of neighbours: " + size + " numbers as " + list.length + "." }, parent);
  }
  function overSteps(name, slot, table, most, frame) {
    var rows = 0;
    data.values.forEach(function (unused, time) { rows = Math.max(rows, (own(table[time], slot) || []).length); });
    if (!rows || T < 2) return;
    make("h3", { text: name + ": units by steps" }, side);
    var high = Math.min(200, Math.max(24, rows * 8)), w = 340 / T;
    var chart = draw("svg", { viewBox: "0 0 342 " + (high + 2), width: "100%", role: "img", "aria-label": name + " at all steps" }, side);
    for (var time = 0; time < T; time++) {
      (own(table[time], slot) || []).forEach(function (value, i) {
        draw("rect", { x: (1 + time * w).toFixed(2), y: (1 + i * high / rows).toFixed(2), width: (w + 0.05).toFixed(2), height: (high / rows + 0.05).toFixed(2), fill: colour(value, most), "shape-rendering": "crispEdges" }, chart);
      });
    }
    draw("rect", { "class": "first", x: 1 + frame.t * w, y: 1, width: w, height: high }, chart);
  }
  function details(i, frame) {
    clear(side);
    if (i === null) { overview(frame); return; }
    var box = boxes[i], incoming = lines.filter(function (line) { return line.b === i; });
    make("h2", { text: box.p }, side);
    if (box.k) make("pre", { id: "equation", text: box.name + " = " + box.k + "(" + incoming.map(function (line) { return boxes[line.a].name + (line.port ? "." + line.port : ""); }).join(", ") + ")" }, side);
    if (frame.back) numbers("dL/d " + box.name, errorOf(i, frame), errorReach[box.v], box.v, side);
    if (frame.back) lines.forEach(function (line, number) {
      if (line.b === i) numbers("passes to " + boxes[line.a].name, data.parts[frame.t][number], errorReach[line.v], line.v, side);
    });
    if (!frame.back) incoming.forEach(function (line) { numbers("reads " + boxes[line.a].n, own(data.values[frame.t], line.v), reach[line.v], line.v, side); });
    numbers(frame.back ? "value of " + box.name : "result", own(data.values[frame.t], box.v), reach[box.v], box.v, side);
    overSteps("Values", box.v, data.values, reach[box.v], frame);
    overSteps("Errors", box.v, data.errors, errorReach[box.v], frame);
    var kind = own(data.classes, box.k), settings = own(data.settings, box.p);
    if (kind) {
      make("h3", { text: box.k + (kind.plugin ? ", from " + kind.plugin + " " + kind.version : "") }, side);
      graphnetText.prose(kind.doc || "no documentation", side);
    }
    if (settings) make("pre", { "class": "soft", text: Object.keys(settings).map(function (key) { return key + " = " + settings[key]; }).join("\n") }, side);
  }
  function errorOf(i, frame) {
    var box = boxes[i], sum = null;
    if (box.r === "node" || box.outer) return own(data.errors[frame.t], box.v);
    lines.forEach(function (line, number) { // an input of a composite: its value may have readers outside as well
      var part = line.a === i ? data.parts[frame.t][number] : null;
      if (part && !lines.slice(0, number).some(function (each) { return each.a === i && each.b === line.b; })) {
        sum = sum ? sum.map(function (v, j) { return v + part[j]; }) : part;
      }
    });
    return sum && sum.map(function (v) { return Number(v.toPrecision(4)); });
  }
  function overview(frame) {
    make("h2", { text: describe(frame) }, side);
    boxes.forEach(function (box) {
      if (!box.outer || box.before !== (frame.k < 0)) return;
      numbers((frame.back ? "dL/d " : "") + box.n, frame.back ? (box.before ? own(data.errors[frame.t], box.v) : arriving(box, frame)) : own(data.values[frame.t], box.v), (frame.back ? errorReach : reach)[box.v], box.v, side);
    });
    make("h3", { text: "How to read this" }, side);
    make("p", { text: "The yellow node is computed. Numbers on an edge are the value that it carries, or, backward, the part of the error dL/dv that the reader of the value passes back; the parts of all readers are added up. More than four numbers are a strip: orange is positive, blue negative, the strongest colour the largest number over all steps. States (orange boxes) come from the step before." }, side);
    make("p", { "class": "soft", text: data.note }, side);
    make("p", { "class": "soft", text: "Keys: arrows left and right: a node; with Shift: a time step; space: play; b: forward or backward; Home, End; + and − zoom. A click on a node shows its numbers, Escape those of the yellow one." }, side);
  }
  function arriving(box, frame) {
    var number = lines.findIndex(function (line) { return boxes[line.b] === box; });
    return number < 0 ? null : data.parts[frame.t][number];
  }

  function setTheme(dark) {
    root.setAttribute("data-theme", dark ? "dark" : "light");
    theme.textContent = dark ? "Light" : "Dark";
    theme.setAttribute("aria-pressed", String(dark));
    show();
  }
  theme.addEventListener("click", function () { setTheme(root.getAttribute("data-theme") !== "dark"); });
  var dark = false; // print is light
  window.addEventListener("beforeprint", function () {
    dark = root.getAttribute("data-theme") === "dark";
    if (dark) setTheme(false);
  });
  window.addEventListener("afterprint", function () { if (dark) setTheme(true); });
  // On a phone only a part is shown, in letters that can be read; the picture follows the node.
  var room = scroll.getBoundingClientRect();
  zoom(Math.min(1.2, Math.max(room.width < 600 ? 0.8 : 0.6, Math.min(room.width / wide, room.height / high))));
  setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
  if (!fromAddress()) go(0);
  window.addEventListener("hashchange", fromAddress);
  root.setAttribute("data-ready", "true");
}());
