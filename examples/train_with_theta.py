"""Train a network with a learned optimizer: the README's example, on 5,000 real images.

    python examples/train_with_theta.py [NAME@REF]

Without an argument it uses the Θ that comes with the package; with one it pulls that version from
the service that HYPERADAM_URL and HYPERADAM_API_KEY name, or that runs on this machine.
"""

from __future__ import annotations

import sys

import hyperadam
import torch

from meta_trainer.datasets import load

torch.manual_seed(0)
data = load("mnist5k")
images, labels = data.minibatch(torch.arange(len(data)))
dataset = torch.utils.data.TensorDataset(images, labels)

model = torch.nn.Sequential(torch.nn.Linear(784, 20), torch.nn.Sigmoid(), torch.nn.Linear(20, 10))
theta = hyperadam.pull(sys.argv[1]) if len(sys.argv) > 1 else hyperadam.pretrained()
optimizer = hyperadam.HyperAdam(model.parameters(), theta=theta)
for epoch in range(4):
    for x, y in torch.utils.data.DataLoader(dataset, batch_size=128, shuffle=True):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    accuracy = (model(images).argmax(1) == labels).float().mean()
    print(
        f"epoch {epoch + 1}: loss {loss:.3f} on the last minibatch, "
        f"{accuracy:.1%} of all images right"
    )
