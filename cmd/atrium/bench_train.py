"""Trains networks with PyTorch as `atrium bench train` asks, one JSON object a line each way.

A line with "layers" begins a network; each line after it has "steps": so many steps of plain
gradient descent on one batch, from the same parameters. The answer is the processor seconds
that they took. One thread.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def kernel(shape, side):
    return (1, side) if shape[1] == 1 else (side, side)


def build(q):
    """Returns the network's parameters and its forward function."""
    shape, parts, params = q["shape"], [], []

    def parameter(*dims, fan):
        bound = (6 / fan) ** 0.5
        params.append(torch.empty(*dims).uniform_(-bound, bound))
        params.append(torch.zeros(dims[0]))
        return len(params) - 2

    for l in [*q["layers"], {"kind": "dense", "units": 1, "last": True}]:
        channels, height, width = shape
        if l["kind"] == "dense":
            n = channels * height * width
            parts.append(("dense", parameter(l["units"], n, fan=n), not l.get("last")))
            shape = [l["units"], 1, 1]
        elif l["kind"] == "conv":
            h, w = kernel(shape, l["kernel"])
            if height == 1:
                parts.append(("conv1d", parameter(l["filters"], channels, w, fan=channels * w), w // 2))
            else:
                parts.append(("conv2d", parameter(l["filters"], channels, h, w, fan=channels * h * w), (h // 2, w // 2)))
            shape = [l["filters"], height, width]
        elif l["kind"] == "pool":
            h, w = kernel(shape, l["size"])
            parts.append(("pool1d", w, None) if height == 1 else ("pool2d", (h, w), None))
            shape = [channels, height // h, width // w]
        else:
            raise ValueError(l["kind"])

    def forward(x, p):
        for kind, a, b in parts:
            if kind == "dense":
                x = F.linear(x.flatten(1), p[a], p[a + 1])
                x = F.relu(x) if b else x
            elif kind == "conv1d":
                x = F.relu(F.conv1d(x, p[a], p[a + 1], padding=b))
            elif kind == "conv2d":
                x = F.relu(F.conv2d(x, p[a], p[a + 1], padding=b))
            elif kind == "pool1d":
                x = F.max_pool1d(x, a)
            else:
                x = F.max_pool2d(x, a)
        return x[:, 0]

    return params, forward


def main():
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        q = json.loads(line)
        if "layers" in q:
            base, forward = build(q)
            channels, height, width = q["shape"]
            x = torch.rand(q["batch"], channels, *([width] if height == 1 else [height, width])) * 2 - 1
            y = torch.arange(q["batch"]) % 2 * 1.0
            print(json.dumps({"parameters": sum(p.numel() for p in base)}), flush=True)
            continue
        began = time.process_time()
        params = [p.clone().requires_grad_() for p in base]
        optimiser = torch.optim.SGD(params, 1e-3)
        for _ in range(q["steps"]):
            optimiser.zero_grad(set_to_none=True)
            F.binary_cross_entropy_with_logits(forward(x, params), y).backward()
            optimiser.step()
        print(json.dumps({"seconds": time.process_time() - began}), flush=True)


main()
