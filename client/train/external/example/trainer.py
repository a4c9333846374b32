#!/usr/bin/python3 -I
"""A trainer for Atrium's external models, with PyTorch (Debian: python3-torch).

It speaks the protocol of client/train/external and trains the network of the plan "ecg":
convolution, pooling, convolution, pooling, a dense layer of 32 and an output. The tensors
that the plan has trained say what is trained:

  layer1.weight ... layer6.bias   the whole network (ecg.yaml), or
  low.a, low.b, head.bias         an adapter of low rank (Hu and others, "LoRA", 2021) beside
                                  the dense layer of a base that every hospital has
                                  (ecg-adapter.yaml): a file of safetensors with the network,
                                  such as a snapshot of an earlier federation.

To train a network of your own, replace forward.
"""

import json
import struct
import sys

import torch
import torch.nn.functional as F


def load(path):
    """Reads a file of safetensors, F32 and F64."""
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = bytearray(f.read())
    header.pop("__metadata__", None)
    kinds = {"F32": torch.float32, "F64": torch.float64}
    return {
        name: torch.frombuffer(data, dtype=kinds[t["dtype"]], count=count(t["shape"]), offset=t["data_offsets"][0])
        .reshape(t["shape"]).float().clone()
        for name, t in header.items()
    }


def save(path, tensors):
    """Writes float32 tensors as the safetensors library does."""
    header, data = {}, b""
    for name in sorted(tensors):
        t = tensors[name].detach().contiguous()
        b = t.numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(b)]}
        data += b
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def count(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def forward(p, x):
    """Logits of records [n, samples]; p has the network and, perhaps, an adapter."""
    x = x[:, None, :]
    x = F.max_pool1d(F.relu(F.conv1d(x, p["layer1.weight"][:, :, 0], p["layer1.bias"], padding=3)), 2)
    x = F.max_pool1d(F.relu(F.conv1d(x, p["layer3.weight"][:, :, 0], p["layer3.bias"], padding=2)), 2)
    x = x.flatten(1)
    h = x @ p["layer5.weight"] + p["layer5.bias"]
    if "low.a" in p:
        h = h + (x @ p["low.a"]) @ p["low.b"]
    z = F.relu(h) @ p["layer6.weight"] + p["layer6.bias"]
    return z[:, 0] + p.get("head.bias", torch.zeros(1))


def optimiser(local, params):
    rate, name = local["learning_rate"], local["optimiser"]
    if name == "sgd":
        return torch.optim.SGD(params, rate, momentum=local.get("momentum", 0))
    betas, epsilon = (local.get("beta1", 0), local.get("beta2", 0)), local["epsilon"]
    if name == "adam":
        return torch.optim.Adam(params, rate, betas, epsilon)
    return torch.optim.AdamW(params, rate, betas, epsilon, weight_decay=local.get("weight_decay", 0))


class Refusal(Exception):
    """A task that is not done here, in words."""


class Trainer:
    def __init__(self):
        self.base = {}

    def hello(self, q):
        if q["classes"] != 2 or "labels" in q or q["inputs"] != [126]:
            raise Refusal("this network tells two classes of 126 samples apart, with one label")
        if "base" in q:
            self.base = {name.removeprefix("model/"): t for name, t in load(q["base"]).items()}
        p = {**self.base, **{t["name"]: torch.zeros(t["shape"]) for t in q["tensors"]}}
        try:
            forward(p, torch.zeros(1, 126))
        except (KeyError, RuntimeError) as e:
            raise Refusal(f"the plan's tensors do not make this network: {e}")
        return {"protocol": 1, "tensors": q["tensors"], "correction": True}

    def train(self, q):
        local = q["local"]
        if "early_stop" in local:
            raise Refusal("local.early_stop is not done here")
        start, records = load(q["parameters"]), load(q["records"])
        x, y = records["x"], records["y"]
        correction = load(q["correction"]) if "correction" in q else {}
        p = {name: t.clone().requires_grad_() for name, t in start.items()}
        step = optimiser(local, list(p.values()))
        generator = torch.Generator().manual_seed(q["seed"])
        weight = torch.tensor(local.get("class_weights", [1.0, 1.0]))[y.long()]
        n = len(y)
        batch = min(local["batch"] or n, n)
        passes = -(-n // batch)
        total = seen = 0.0
        for i in range(local["steps"] or local["epochs"] * passes):
            at = i % passes * batch
            if at == 0:
                order = torch.randperm(n, generator=generator) if passes > 1 else torch.arange(n)
            if at == 0 or local["steps"]:
                total = seen = 0.0
            k = order[at : at + batch]
            step.zero_grad()
            loss = F.binary_cross_entropy_with_logits(forward({**self.base, **p}, x[k]), y[k], weight[k])
            loss.backward()
            with torch.no_grad():
                for name, t in p.items():
                    if name in correction:
                        t.grad += correction[name]
                    if local["prox_mu"]:
                        t.grad += local["prox_mu"] * (t - start[name])
            step.step()
            total, seen = total + loss.item() * len(k), seen + len(k)
        save(q["result"], p)
        return {"loss": total / seen}

    def score(self, q):
        p, x = {**self.base, **load(q["parameters"])}, load(q["records"])["x"]
        with torch.no_grad():
            scores = torch.cat([torch.sigmoid(forward(p, part)) for part in x.split(1024)])
        save(q["result"], {"scores": scores})
        return {}


def main():
    torch.use_deterministic_algorithms(True)
    trainer, out = Trainer(), sys.stdout
    sys.stdout = sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        q = json.loads(line)
        try:
            r = {"hello": trainer.hello, "train": trainer.train, "score": trainer.score}[q["do"]](q)
        except Refusal as e:
            r = {"error": str(e)}
        out.write(json.dumps({"id": q["id"], **r}) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
