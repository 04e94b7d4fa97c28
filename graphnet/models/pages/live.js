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

  // A reload shows another graph; the theme stays.
  function reload() {
    try { sessionStorage.setItem("theme", document.documentElement.getAttribute("data-theme") || ""); } catch (error) { /* the system's */ }
    location.reload();
  }
  function keepTheme() {
    var theme = null, now = document.documentElement.getAttribute("data-theme");
    try { theme = sessionStorage.getItem("theme"); sessionStorage.removeItem("theme"); } catch (error) { return; }
    if (theme && now && theme !== now) document.getElementById("theme").click();
  }
  function say(words) { line.textContent = words; line.hidden = !words; }
  function receive(name, data) {
    if (name === "all") {
      // A stream begins with all data: what the page has and the stream has not is gone.
      if (shown) Object.keys(shown).forEach(function (key) { if (!(key in data)) data[key] = null; });
      shown = shown || {};
    }
    Object.keys(data).forEach(function (key) { shown[key] = data[key]; });
    var text = JSON.stringify(shown.graphs || null);
    if (graphs !== null && graphs !== text) { reload(); return; }
    graphs = text;
    document.title = shown.title || "graphnet watch";
    document.dispatchEvent(new CustomEvent("graphnet:data", { detail: data }));
    if (name === "all") keepTheme();
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
  // The token is not sent: another program may listen on the port after graphnet watch has ended. What is sent is of
  // use for this server and this address only.
  function authorization() {
    if (!window.crypto || !crypto.subtle) return Promise.resolve("Bearer " + token);
    var encode = new TextEncoder();
    return fetch("/nonce", { cache: "no-store" }).then(function (answer) {
      if (!answer.ok) throw new Error(answer.statusText);
      return answer.text();
    }).then(function (nonce) {
      return crypto.subtle.importKey("raw", encode.encode(token), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]).then(function (key) {
        return crypto.subtle.sign("HMAC", key, encode.encode(nonce + " " + location.host));
      });
    }).then(function (signature) {
      return "Proof " + Array.prototype.map.call(new Uint8Array(signature), function (byte) { return ("0" + byte.toString(16)).slice(-2); }).join("");
    });
  }
  function again(words) { say(words); setTimeout(connect, 2000); }
  function connect() {
    authorization().then(function (words) {
      return fetch("/events", { headers: { Authorization: words }, cache: "no-store" });
    }).then(function (answer) {
      if (answer.status === 401) throw "The token is missing or wrong: open the whole address that graphnet watch printed.";
      if (answer.status === 503) { again("Too many pages of this run are open; trying again."); return null; }
      if (!answer.ok) throw new Error(answer.statusText);
      say("");
      return read(answer.body.getReader(), new TextDecoder(), "");
    }).catch(function (problem) {
      if (typeof problem === "string") say(problem);
      else again("The connection to graphnet watch is lost; trying again. What is shown may be old.");
    });
  }
  if (token) connect(); else say("The token is missing: open the whole address that graphnet watch printed.");
}());
