// Part of graphnet, under the MIT License.
// The order of search results. Sphinx finds the pages that contain every word of a query, and gives each page the score of
// its best word; equal scores are ordered by name. So a question in plain words finds nothing, and one word finds the page
// of some class first. Here a result is a section: its heading counts most, then the title of its page, then the text of
// the page, each word by how rare it is; no word is required. `make docs-search` tests it with docs/site/search_questions.yaml.
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};

(() => {
  const HEADING = 1, TITLE = 0.6, BODY = 0.4, RELATED = 0.75, PART = 0.5;
  // Words of the same meaning, of which a page has one and a query another; each is a group of stems.
  const GROUPS = [
    "plot draw visualize visualise picture diagram render", "slow fast speed faster performance quick", "freeze frozen trainable",
    "reproducible deterministic determinism", "tune tuning hyperparameter sweep grid", "crash kill killed interrupted preempted",
    "variable different ragged unequal", "restore reload load", "save store", "bug error exception fails",
    "gpu cuda accelerator", "notebook jupyter", "serve server deploy deployment production", "callback hook",
    "install installation setup", "reproduce seed random", "multi parallel distributed", "ram memory oom",
    "convert import", "licence license", "standardize standardization normalize normalise scale scaler", "accumulate accumulation",
    "cnn convolution conv image", "initializer initialization glorot xavier",
    "pad padded padding", "schedule scheduler", "resume continue", "imbalanced imbalance", "timestep step", "custom own", "pretrained transfer",
  ].map((line) => line.split(" "));
  const FILLER = new Set(["use", "using", "used", "want", "need", "get", "make", "please", "possible", "way", "graphnet", "keras", "my"]);

  const stemmer = new Stemmer();
  const stem = (word) => stemmer.stemWord(word.toLowerCase());
  const related = new Map();
  GROUPS.forEach((group) => group.forEach((word) => related.set(stem(word), new Set(group.map(stem)))));
  const parts = (word) => word.replace(/([a-z0-9])([A-Z])/g, "$1 $2").split(/[\s_]+/).filter((part) => part);
  const ignored = (word) => stopwords.has(word.toLowerCase()) || FILLER.has(word.toLowerCase());
  const stems = (text) => {
    const words = splitQuery(text).filter((word) => !stopwords.has(word.toLowerCase()));
    return new Set(words.flatMap((word) => [word, ...parts(word)]).map(stem));
  };

  // What may be found: the sections of all pages, each page itself among them, with the words of their headings.
  let sections;
  const collect = () => {
    const { alltitles, titles } = Search._index;
    const words = titles.map(stems);
    return Object.entries(alltitles).flatMap(([heading, places]) =>
      places.filter(([page, anchor]) => anchor === null || heading !== titles[page]).map(([page, anchor]) =>
        ({ page, anchor, heading, words: stems(heading), title: words[page] })));
  };
  const weight = (name, heading) => {
    if (name === "docs/questions") return /[?.]$|[?:] /.test(heading) ? 1.1 : 0.5; // headings of groups answer nothing
    if (/^docs\/site\/(?!api)/.test(name) || name === "CHANGELOG") return 0.5;
    if (/^docs\/(design|stability|conformance)$|^CONTRIBUTING$/.test(name)) return 0.75;
    if (/^docs\/site\/api\//.test(name)) return 0.85;
    if (/^examples\//.test(name)) return 0.75;
    return 1;
  };
  // The words of the query, each with the words that stand for it and their weights.
  const terms = (query) => {
    const found = new Map();
    splitQuery(query).filter((word) => !ignored(word)).forEach((word) => {
      const forms = new Map([[stem(word), 1]]);
      (related.get(stem(word)) || []).forEach((other) => forms.has(other) || forms.set(other, RELATED));
      found.set(stem(word), { forms, share: 1 });
      if (parts(word).length > 1)
        parts(word).filter((part) => !ignored(part)).forEach((part) =>
          found.has(stem(part)) || found.set(stem(part), { forms: new Map([[stem(part), 1]]), share: PART }));
    });
    return [...found.values()];
  };
  const pagesWith = (form) => {
    const { terms, titleterms } = Search._index;
    return new Set([terms, titleterms].flatMap((map) => (Object.hasOwn(map, form) ? map[form] : [])));
  };
  const match = (words, form) => {
    if (words.has(form)) return 1;
    const near = (a, b) => a.length > 4 && b.length - a.length < 3 && b.startsWith(a);
    return [...words].some((word) => near(form, word) || near(word, form)) ? 0.7 : 0;
  };

  Search._performSearch = (query, searchTerms, excludedTerms, highlightTerms, objectTerms) => {
    const { docnames, filenames, titles } = Search._index;
    sections ||= collect();
    const wanted = terms(query);
    wanted.forEach((term) => {
      term.pages = [...term.forms].map(([form, factor]) => [form, factor, pagesWith(form)]);
      const count = new Set(term.pages.flatMap(([, , pages]) => [...pages])).size;
      term.worth = term.share * Math.log(1 + titles.length / (count || 1)) * (count ? 1 : 0.4);
    });
    const total = wanted.reduce((sum, term) => sum + term.worth, 0) || 1;
    const best = new Map();
    sections.forEach((section) => {
      const hit = new Set();
      const sum = wanted.reduce((sum, term) => sum + term.worth * Math.max(...term.pages.map(([form, factor, pages]) => {
        const inHeading = match(section.words, form);
        if (inHeading) hit.add(form);
        return factor * Math.max(HEADING * inHeading, TITLE * match(section.title, form), BODY * pages.has(section.page));
      })), 0);
      if (!sum || (section.anchor !== null && !hit.size)) return;
      const share = hit.size / Math.max(section.words.size, 1);
      const score = weight(docnames[section.page], section.heading) * (sum / total + 0.35 * Math.min(share, 1));
      const others = best.get(section.page) || [];
      others.push([docnames[section.page], section.anchor === null ? titles[section.page] : `${titles[section.page]} > ${section.heading}`,
        section.anchor === null ? "" : `#${section.anchor}`, null, score, filenames[section.page], SearchResultKind.title]);
      best.set(section.page, others);
    });
    const results = [...best.values()].flatMap((found) => found.sort((a, b) => b[4] - a[4]).slice(0, 2));
    // Classes, functions and methods that are called as the query, or as a word of it.
    const pages = new Set(results.filter((result) => /^docs\/site\/api/.test(result[0])).map((result) => result[1]));
    objectTerms.forEach((term) => Search.performObjectSearch(term, objectTerms).forEach((result) => {
      if (pages.has(result[1].split(".").at(-1)) && /api\/names/.test(result[0]) && result[1].split(".").at(-1).toLowerCase() === term) return;
      result[4] = result[1].split(".").at(-1).toLowerCase() === query.trim().toLowerCase() ? 0.9 : 0.4 / objectTerms.size;
      results.push(result);
    }));
    const most = Math.max(...results.map((result) => result[4]));
    const shown = results.filter((result) => result[4] > 0.3 * most).map((result) => [...result.slice(0, 4), Math.round(1000 * result[4]), ...result.slice(5)]);
    return shown.sort(_orderResultsByScoreThenName).slice(-40);
  };
})();
