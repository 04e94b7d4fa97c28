"""RNN and LSTM against plain loops and numeric derivatives, truncation by its definition included."""

import numpy as np
import pytest
from recurrent_oracle import close, lstm_step, numeric, rnn_step, run

from graphnet_recurrent import LSTM, RNN

pytestmark = pytest.mark.slow

CASES = [(RNN, rnn_step, 1), (LSTM, lstm_step, 2)]
T, B, D, H, O = 6, 3, 4, 5, 2


@pytest.fixture
def rng():
    return np.random.default_rng(17)


def random_layer(layer, rng, output_size=O, bptt_length=None):
    actual = layer(D, H, output_size, bptt_length)
    actual.set_weights(rng.normal(size=actual.get_weights().shape) * 0.7)
    if output_size is not None:
        actual.set_output_weights(rng.normal(size=(H + 1, output_size)))
    return actual


def expected_output(layer, step, states, x, w=None, late=None, state=None):
    """Outputs (time, batch, output) row by row, from the plain loop."""
    w = layer.get_weights() if w is None else w
    rows = []
    for b in range(x.shape[1]):
        begin = None if state is None else tuple(s[b] for s in state)
        hidden, _ = run(step, states, x[:, b], w, late, layer.bptt_length if late is not None else None, begin)
        v = layer.get_output_weights() if layer.output_layer else None
        rows.append(hidden if v is None else hidden @ v[:-1] + v[-1])
    return np.stack(rows, axis=1)


@pytest.mark.parametrize(("layer", "step", "states"), CASES)
@pytest.mark.parametrize("output_size", [O, None])
def test_forward_equals_plain_loop(layer, step, states, output_size, rng):
    net = random_layer(layer, rng, output_size)
    x = rng.normal(size=(T, B, D))
    close(net.forward(x), expected_output(net, step, states, x), 1e-12)


@pytest.mark.parametrize(("layer", "step", "states"), CASES)
@pytest.mark.parametrize("k", [1, 2, T - 1, T, T + 5, None])
@pytest.mark.parametrize("rank", [2, 3])
def test_gradients_equal_definition(layer, step, states, k, rank, rng):
    net = random_layer(layer, rng, bptt_length=k)
    x = rng.normal(size=(T, B, D))[:, : 1 if rank == 2 else B]
    error = rng.normal(size=(T, x.shape[1], O))
    squeeze = (lambda a: a[:, 0]) if rank == 2 else (lambda a: a)
    net.forward(squeeze(x))
    pulled = net.backward(squeeze(error))
    w, v = net.get_weights(), net.get_output_weights()
    close(pulled, squeeze(numeric(lambda x: (expected_output(net, step, states, x) * error).sum(), x)))
    truncated = numeric(lambda late: (expected_output(net, step, states, x, w, late) * error).sum(), w)
    exact = numeric(lambda w: (expected_output(net, step, states, x, w) * error).sum(), w)
    close(net.get_gradient_weights(), exact if k is None else truncated)
    if k is not None and k >= T:
        close(truncated, exact)

    def by_output(v):
        net.set_output_weights(v)
        return (expected_output(net, step, states, x) * error).sum()

    close(net.get_gradient_output_weights(), numeric(by_output, v))


@pytest.mark.parametrize(("layer", "step", "states"), CASES)
def test_gradients_with_memory(layer, step, states, rng):
    net = random_layer(layer, rng, bptt_length=3)
    net.toggle_memory()
    first, x = rng.normal(size=(4, B, D)), rng.normal(size=(T, B, D))
    net.forward(first)
    state = tuple(net.state.values())
    error = rng.normal(size=(T, B, O))
    y = net.forward(x)
    close(y, expected_output(net, step, states, x, state=state), 1e-12)
    pulled = net.backward(error)
    w = net.get_weights()
    close(pulled, numeric(lambda x: (expected_output(net, step, states, x, state=state) * error).sum(), x))
    late = numeric(lambda late: (expected_output(net, step, states, x, w, late, state) * error).sum(), w)
    close(net.get_gradient_weights(), late)


@pytest.mark.parametrize(("layer", "step", "states"), CASES)
@pytest.mark.parametrize("k", [None, 1, 2, 4])
def test_ragged_rows_equal_single_rows(layer, step, states, k, rng):
    net = random_layer(layer, rng, bptt_length=k)
    lengths = [6, 0, 3, 1]
    x, error = rng.normal(size=(T, 4, D)), rng.normal(size=(T, 4, O))
    x[3:, 2] = np.nan  # values beyond the end of a row have no effect
    error[3:, 2] = np.inf
    y = net.forward(x, lengths=lengths)
    state = net.state
    pulled, gradient, output = net.backward(error), net.get_gradient_weights(), net.get_gradient_output_weights()
    total, total_output = np.zeros_like(gradient), np.zeros_like(output)
    for b, n in enumerate(lengths):
        assert not y[n:, b].any()
        assert not pulled[n:, b].any()
        if n == 0:
            assert all(not s[b].any() for s in state.values())
            continue
        close(y[:n, b], net.forward(x[:n, b]), 1e-13)
        assert all(np.allclose(s[b], net.state[name][0], rtol=1e-13) for name, s in state.items())
        close(pulled[:n, b], net.backward(error[:n, b]), 1e-12)
        total += net.get_gradient_weights()
        total_output += net.get_gradient_output_weights()
    close(gradient, total, 1e-12)
    close(output, total_output, 1e-12)


@pytest.mark.parametrize("layer", [RNN, LSTM])
def test_two_halves_equal_the_whole(layer, rng):
    net = random_layer(layer, rng)
    x = rng.normal(size=(T, B, D))
    whole = net.forward(x)
    final = net.state
    net.reset_state()
    net.toggle_memory()
    halves = np.concatenate([net.forward(x[:2]), net.forward(x[2:])])
    np.testing.assert_array_equal(halves, whole)
    for name, array in net.state.items():
        np.testing.assert_array_equal(array, final[name])


@pytest.mark.parametrize(("layer", "peer"), [(RNN, "RNN"), (LSTM, "LSTM")])
def test_against_torch(layer, peer, rng):
    torch = pytest.importorskip("torch")
    net = random_layer(layer, rng, None)
    other = getattr(torch.nn, peer)(D, H).double()
    w = net.get_weights()
    with torch.no_grad():
        other.weight_ih_l0.copy_(torch.tensor(w[:D].T))
        other.weight_hh_l0.copy_(torch.tensor(w[D:-1].T))
        other.bias_ih_l0.copy_(torch.tensor(w[-1]))
        other.bias_hh_l0.zero_()
    x, error = rng.normal(size=(T, B, D)), rng.normal(size=(T, B, H))
    x_torch = torch.tensor(x, requires_grad=True)
    y, _ = other(x_torch)
    y.backward(torch.tensor(error))
    close(net.forward(x), y.detach().numpy(), 1e-12)
    close(net.backward(error), x_torch.grad.numpy(), 1e-12)
    gradient = net.get_gradient_weights()
    close(gradient[:D], other.weight_ih_l0.grad.numpy().T, 1e-12)
    close(gradient[D:-1], other.weight_hh_l0.grad.numpy().T, 1e-12)
    close(gradient[-1], other.bias_ih_l0.grad.numpy(), 1e-12)
