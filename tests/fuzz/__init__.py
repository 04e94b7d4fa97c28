"""Random cells and graphs, run by a backend and by the reference backend: ``python -m fuzz --help``.

A *recipe* (``recipe.py``) is a graph as plain data; ``generate.py`` draws one from a seed, ``build.py`` builds the graph,
``compare.py`` runs it on both backends, and ``shrink.py`` reduces a failing recipe.
"""
