"""The default backend: compiled programs of numpy calls; what cannot be compiled runs node by node.

Everything that a plan and its shapes determine is computed when it is bound: the arguments of each rule, which errors
are wanted, and every view of every array that a time loop reads or writes.
"""
