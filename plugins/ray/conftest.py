"""Without Ray, which `make setup` does not install, there is nothing to collect but the tests, which are skipped."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("ray") and find_spec("graphnet_ray") else ["src"]
