"""The reference backend: runs a plan node by node with the layers' own rules; the oracle of every other backend."""
