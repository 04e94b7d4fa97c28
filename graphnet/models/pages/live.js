// Part of graphnet, under the MIT License.
"use strict";
// The page of graphnet watch: data come as server-sent events. They are read by fetch, because EventSource cannot send
// the token; it stands in the fragment of the address, which browsers send to nobody.
(function () {
  var found = /[#&]token=([\w-]+)/.exec(location.hash), shown = null, graphs = null;
  try {
    if (found) sessionStorage.setItem("token", found[1]);
  } catch (error) { /* without storage, a reload needs the whole address */ }
  if (found) history.replaceState(null, "", location.pathname);
  var token = found ? found[1] : sessionStorage.getItem("token");
  var line = document.createElement("p");
  line.id = "connection";
  line.setAttribute("role", "status");
  document.body.insertBefore(line, document.body.firstChild);

  function say(words) { line.textContent = words; line.hidden = !words; }
  function receive(name, data) {
    if (name === "all") {
      // A stream begins with all data: what the page has and the stream has not is gone.
      if (shown) Object.keys(shown).forEach(function (key) { if (!(key in data)) data[key] = null; });
      shown = shown || {};
    }
    Object.keys(data).forEach(function (key) { shown[key] = data[key]; });
    var text = JSON.stringify(shown.graphs || null);
    if (graphs !== null && graphs !== text) { location.reload(); return; }
    graphs = text;
    document.title = shown.title || "graphnet watch";
    document.dispatchEvent(new CustomEvent("graphnet:data", { detail: data }));
  }
  function read(reader, decoder, rest) {
    return reader.read().then(function (piece) {
      if (piece.done) throw new Error("the stream has ended");
      var events = (rest + decoder.decode(piece.value, { stream: true })).split("\n\n");
      rest = events.pop();
      events.forEach(function (each) {
        var parts = /^event: (\w+)\ndata: (.*)$/.exec(each);
        if (parts) receive(parts[1], JSON.parse(parts[2]));
      });
      return read(reader, decoder, rest);
    });
  }
  function connect() {
    fetch("/events", { headers: { Authorization: "Bearer " + token }, cache: "no-store" }).then(function (answer) {
      if (answer.status === 401) throw "The token is missing or wrong: open the whole address that graphnet watch printed.";
      if (!answer.ok) throw new Error(answer.statusText);
      say("");
      return read(answer.body.getReader(), new TextDecoder(), "");
    }).catch(function (problem) {
      if (typeof problem === "string") { say(problem); return; }
      say("The connection to graphnet watch is lost; trying again. What is shown may be old.");
      setTimeout(connect, 2000);
    });
  }
  connect();
}());
