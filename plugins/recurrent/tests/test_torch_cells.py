"""Cells against torch."""

import numpy as np
import pytest
from cell_runners import B, D, H, T, inputs, runner_of, weights
from recurrent_oracle import close

pytestmark = pytest.mark.slow


@pytest.fixture
def rng():
    return np.random.default_rng(23)


def against_torch(name, other, columns, rng):
    """Compare a cell with torch's weights, forward and backward; ``columns`` maps torch's arrays to ours."""
    torch = pytest.importorskip("torch")
    runner = runner_of(name, rng)
    for path, ours in columns(lambda n: getattr(other, n).detach().numpy()).items():
        runner.parameters[f"scan/{path}/weights"].value = np.array(ours)
    x = rng.normal(size=(T, B, D))
    arrays = torch.tensor(x, requires_grad=True)
    y, _ = other(arrays)
    error = rng.normal(size=tuple(y.shape))
    y.backward(torch.tensor(error))
    close(runner.forward({"x": x})["y"], y.detach().numpy(), 1e-10)
    close(runner.backward({"y": error})["x"], arrays.grad.numpy(), 1e-10)
    for path, expected in columns(lambda n: getattr(other, n).grad.numpy(), both=False).items():
        close(runner.parameters[f"scan/{path}/weights"].gradient, expected, 1e-10)


def test_gru_after_against_torch(rng):
    torch = pytest.importorskip("torch")

    def columns(read, both=True):
        w, u = (m.T for m in (read("weight_ih_l0"), read("weight_hh_l0")))
        b, c = read("bias_ih_l0"), read("bias_hh_l0")
        parts = [slice(k * H, (k + 1) * H) for k in range(3)]
        bias = b + c if both else b  # our gates have one bias where torch has a sum of two
        actual = {
            n: np.vstack([w[:, p], u[:, p], bias[p]])
            for n, p in zip(("reset_gate", "update_gate"), parts, strict=False)
        }
        new = parts[2]
        return {
            **actual,
            "candidate_input": np.vstack([w[:, new], b[new]]),
            "candidate_state": np.vstack([u[:, new], c[new]]),
        }

    torch.manual_seed(1)
    against_torch("gru_after", torch.nn.GRU(D, H).double(), columns, rng)


def test_projected_lstm_against_torch(rng):
    torch = pytest.importorskip("torch")

    def columns(read, both=True):
        w, u = (m.T for m in (read("weight_ih_l0"), read("weight_hh_l0")))
        bias = read("bias_ih_l0") + read("bias_hh_l0") if both else read("bias_ih_l0")
        names = ("input_gate", "forget_gate", "candidate", "output_gate")
        parts = [slice(k * H, (k + 1) * H) for k in range(4)]
        actual = {n: np.vstack([w[:, p], u[:, p], bias[p]]) for n, p in zip(names, parts, strict=True)}
        return {**actual, "projection": read("weight_hr_l0").T}

    torch.manual_seed(2)
    against_torch("projected", torch.nn.LSTM(D, H, proj_size=2).double(), columns, rng)


def test_gru_before_against_torch(rng):
    """torch has no such module, so the steps are computed with torch's operations."""
    torch = pytest.importorskip("torch")
    runner, arrays = runner_of("gru", rng), inputs("gru", rng)
    w = {n: torch.tensor(a, requires_grad=True) for n, a in weights(runner).items()}
    x, h0 = (torch.tensor(arrays[n], requires_grad=True) for n in ("x", "h"))

    def linear(name, x, h):
        return torch.nn.functional.linear(torch.cat([x, h], 1), w[name][:-1].T, w[name][-1])

    h, outputs = h0, []
    for x_t in x:
        r, z = torch.sigmoid(linear("reset_gate", x_t, h)), torch.sigmoid(linear("update_gate", x_t, h))
        h = torch.lerp(torch.tanh(linear("candidate", x_t, r * h)), h, z)
        outputs.append(h)
    y, error = torch.stack(outputs), rng.normal(size=(T, B, H))
    y.backward(torch.tensor(error))
    close(runner.forward(arrays)["y"], y.detach().numpy(), 1e-10)
    pulled = runner.backward({"y": error})
    close(pulled["x"], x.grad.numpy(), 1e-10)
    close(pulled["h"], h0.grad.numpy(), 1e-10)
    for n, value in w.items():
        close(runner.parameters[f"scan/{n}/weights"].gradient, value.grad.numpy(), 1e-10)
