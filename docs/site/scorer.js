// Part of graphnet, under the MIT License.
// The order of search results. Sphinx ranks pages with equal matches by their name; here pages that answer come before
// pages that only mention: the log of changes, the reasons of the design, the settings of the project.
var Scorer = {
  score: (result) => {
    const [docname, , , , score] = result;
    if (/^(CHANGELOG|CONTRIBUTING)$|^docs\/(design|performance|stability)$/.test(docname)) return score - 20;
    if (docname === "docs/questions") return score + 8;
    if (/^docs\/[^/]+$/.test(docname)) return score + 4;
    return score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
