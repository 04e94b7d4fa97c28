"""What several test files share; import it as ``helpers.<module>``.

concurrency        calls in several threads, and a layer that blocks a forward pass
layer_cases        every built-in layer with a configuration and input shapes, and a finite-difference check
numeric_gradient   derivatives by finite differences, and a comparison with them
ragged_batches     layers that are not finite at zero, random graphs of them, and row-by-row oracles for ragged batches
random_models      random models built twice: as a graph of layers and as autograd code
"""
