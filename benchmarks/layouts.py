"""Compare libraries that place the nodes of layered graphs: seconds for random graphs, and boxes that lines cross.

    python benchmarks/layouts.py [--dagre dagre.min.js] [--elk elk-worker.min.js]

Libraries that are not installed are left out: graphlay, grandalf, fast-sugiyama; dagre and ELK are files of JavaScript
(of the npm packages @dagrejs/dagre and elkjs), run by mini-racer or, without it, by quickjs-ng. Only graphlay and ELK
route lines around boxes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

WIDTH, HEIGHT = 120.0, 40.0
Edges = list[tuple[int, int]]


def edges(nodes: int) -> Edges:
    draw = random.Random(1)
    found = []
    for i in range(1, nodes):
        found.append((max(0, i - draw.randint(1, 3)), i))
        if draw.random() < 0.35:
            found.append((draw.randint(max(0, i - 12), i - 1), i))
    return sorted(set(found))


def graphlay(nodes: int, lines: Edges) -> str:
    import graphlay

    size = {"width": WIDTH, "height": HEIGHT}
    graph = {
        "nodes": [{"key": str(i), "size": size} for i in range(nodes)],
        "edges": [{"source": a, "target": b} for a, b in lines],
    }
    metrics = graphlay.layout(graph, options={"direction": "topbottom"}).metrics
    return f"{metrics()['node_edge_hits']} boxes crossed by lines" if nodes <= 200 else ""


def grandalf(nodes: int, lines: Edges) -> str:
    from grandalf.graphs import Edge, Graph, Vertex
    from grandalf.layouts import SugiyamaLayout

    class View:
        w, h, xy = WIDTH, HEIGHT, (0.0, 0.0)

    vertices = [Vertex(i) for i in range(nodes)]
    for vertex in vertices:
        vertex.view = View()
    layout = SugiyamaLayout(Graph(vertices, [Edge(vertices[a], vertices[b]) for a, b in lines]).C[0])
    layout.init_all()
    layout.draw()
    return ""


def fast_sugiyama(nodes: int, lines: Edges) -> str:
    import fast_sugiyama

    fast_sugiyama.from_edges(lines)
    return ""


def javascript(source: str) -> str:
    if importlib.util.find_spec("py_mini_racer") is not None:
        from py_mini_racer import MiniRacer

        return str(MiniRacer().eval(source))
    import quickjs

    return str(quickjs.Context().eval(source))


def dagre(file: Path) -> Callable[[int, Edges], str]:
    def place(nodes: int, lines: Edges) -> str:
        javascript(
            f"var window=this,self=this;{file.read_text()};var g=new dagre.graphlib.Graph({{multigraph:true}});"
            "g.setGraph({});g.setDefaultEdgeLabel(function(){return {}});"
            f"for(var i=0;i<{nodes};i++)g.setNode('n'+i,{{width:{WIDTH},height:{HEIGHT}}});"
            f"{json.dumps(lines)}.forEach(function(e){{g.setEdge('n'+e[0],'n'+e[1])}});dagre.layout(g);1"
        )
        return ""

    return place


def elk(file: Path) -> Callable[[int, Edges], str]:
    def place(nodes: int, lines: Edges) -> str:
        graph = {
            "id": "root",
            "layoutOptions": {"elk.algorithm": "layered", "elk.direction": "DOWN"},
            "children": [{"id": f"n{i}", "width": WIDTH, "height": HEIGHT} for i in range(nodes)],
            "edges": [{"id": f"e{a}_{b}", "sources": [f"n{a}"], "targets": [f"n{b}"]} for a, b in lines],
        }
        javascript(
            "var q=[],global=globalThis,self=undefined,module={exports:{}},exports=module.exports;"
            "globalThis.setTimeout=function(f){q.push(f)};"
            f"(function(){{{file.read_text()}\n}}).call(globalThis);var W=new module.exports.Worker();"
            "W.onmessage=function(){};W.postMessage({id:0,cmd:'register',algorithms:['layered']});"
            f"W.postMessage({{id:1,cmd:'layout',graph:{json.dumps(graph)},layoutOptions:{{}},options:{{}}}});"
            "while(q.length)q.shift()();1"
        )
        return ""

    return place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dagre", type=Path)
    parser.add_argument("--elk", type=Path)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 1000])
    arguments = parser.parse_args()
    libraries: dict[str, Callable[[int, Edges], str]] = {
        name: function
        for name, function in {"graphlay": graphlay, "grandalf": grandalf, "fast_sugiyama": fast_sugiyama}.items()
        if importlib.util.find_spec(name) is not None
    }
    libraries |= {"dagre": dagre(arguments.dagre)} if arguments.dagre else {}
    libraries |= {"elk": elk(arguments.elk)} if arguments.elk else {}
    for nodes in arguments.nodes:
        for name, place in libraries.items():
            start = time.perf_counter()
            try:
                note = place(nodes, edges(nodes))
            except Exception as error:
                note = f"failed: {type(error).__name__}: {error}"[:100]
            print(f"{nodes:6} nodes  {name:14} {time.perf_counter() - start:7.2f} s  {note}", flush=True)


if __name__ == "__main__":
    main()
